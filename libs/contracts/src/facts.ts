import { z } from 'zod'
import { Currency, Id, Timestamp } from './values.ts'

/**
 * What a service has on record, told to whoever holds the services against one another (libs/verification). Nothing that is
 * secret or about a person.
 */

/** As many rows of each kind as one question may ask for. */
export const factsLimit = 1_000

/** Rows by their ids, or the next ones in the order of their ids. */
export const Which = z.union([
  z.object({ of: z.array(Id).min(1).max(factsLimit) }),
  z.object({ after: Id, limit: z.int().min(1).max(factsLimit) }),
])
export type Which = z.infer<typeof Which>

export const AllocationFacts = z.object({
  reservationId: Id,
  state: z.enum(['held', 'booked', 'released']),
  /** Null on a tombstone. */
  timeSlotId: Id.nullable(),
  guests: z.int().nullable(),
  /** Whether there is such a slot; true of a tombstone. */
  slotExists: z.boolean(),
  auditAt: Timestamp,
})
export type AllocationFacts = z.infer<typeof AllocationFacts>

/** A slot's own counts, and what its allocations add up to at the same moment. */
export const SlotFacts = z.object({
  id: Id,
  capacity: z.int(),
  held: z.int(),
  booked: z.int(),
  heldSum: z.int(),
  bookedSum: z.int(),
})
export type SlotFacts = z.infer<typeof SlotFacts>

export const RefundFacts = z.object({
  id: z.string(),
  paymentIntentId: z.string(),
  cause: z.enum(['late', 'duplicate', 'mismatch', 'external']),
  amountMinor: z.int(),
  status: z.string(),
  createdAt: Timestamp,
})
export type RefundFacts = z.infer<typeof RefundFacts>

export const IntentFacts = z.object({
  id: z.string(),
  status: z.string(),
  amountReceivedMinor: z.int(),
  currency: Currency,
  capturedAt: Timestamp.nullable(),
  mismatch: z.string().nullable(),
  refundCause: z.string().nullable(),
  updatedAt: Timestamp,
  refunds: z.array(RefundFacts),
})
export type IntentFacts = z.infer<typeof IntentFacts>

export const PaymentFacts = z.object({
  reservationId: Id,
  state: z.enum(['open', 'closing', 'closed']),
  closeAt: Timestamp.nullable(),
  createdAt: Timestamp,
  intents: z.array(IntentFacts),
})
export type PaymentFacts = z.infer<typeof PaymentFacts>

/** Rows that are few unless something is wrong: enough to see what it is. */
export const trafficLimit = 200

const OutboxFacts = z.object({
  id: Id,
  type: z.string(),
  reservationId: z.string().nullable(),
  createdAt: Timestamp,
  parkedAt: Timestamp.nullable(),
})
export type OutboxFacts = z.infer<typeof OutboxFacts>

const FailedFacts = z.object({
  id: Id,
  type: z.string(),
  reservationId: z.string().nullable(),
  reason: z.string(),
  retryAt: Timestamp.nullable(),
  firstAt: Timestamp,
  /** It was handled after all, for it was said again. */
  handled: z.boolean(),
})
export type FailedFacts = z.infer<typeof FailedFacts>

const CallFacts = z.object({
  key: z.string(),
  operation: z.string(),
  reservationId: Id.nullable(),
  problem: z.object({ kind: z.string(), code: z.string().nullable() }).nullable(),
  tries: z.int(),
  retryAt: Timestamp,
  createdAt: Timestamp,
})
export type CallFacts = z.infer<typeof CallFacts>

const EventFacts = z.object({
  id: z.string(),
  type: z.string(),
  state: z.enum(['parked', 'given_up']),
  paymentIntentId: z.string().nullable(),
  receivedAt: Timestamp,
})
export type EventFacts = z.infer<typeof EventFacts>

/** What is on its way in one service, or was given up. `now` is its database's clock. */
export const Traffic = z.object({
  now: Timestamp,
  outbox: z.array(OutboxFacts).max(trafficLimit),
  failed: z.array(FailedFacts).max(trafficLimit),
})
export type Traffic = z.infer<typeof Traffic>

export const PaymentTraffic = Traffic.extend({
  calls: z.array(CallFacts).max(trafficLimit),
  events: z.array(EventFacts).max(trafficLimit),
})
export type PaymentTraffic = z.infer<typeof PaymentTraffic>

/** All of it, or what is about one reservation. */
export const WhoseTraffic = z.object({ reservationId: Id.optional() })
