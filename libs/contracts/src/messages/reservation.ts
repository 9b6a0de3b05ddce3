import { z } from 'zod'
import { defineCommand, defineRequest } from '../message.ts'
import { Id, Timestamp } from '../values.ts'
import { Capture, Returned } from './payment.ts'

/** The time of a hold is up. Early is ignored, late is harmless: the reservation's own row decides. */
export const HoldDue = defineCommand('reservation.hold-due', 1, {
  to: 'reservation',
  body: z.object({ reservationId: Id, dueAt: Timestamp }),
  key: (due) => `${due.reservationId}:${due.dueAt}`,
})

/**
 * Inventory asks about allocations that are older than any hold may be. Whoever is answered `release` has got a tombstone
 * on its id, so that a reservation that comes late can no longer be written.
 */
export const AuditAllocations = defineRequest('reservation.audit-allocations', 1, {
  to: 'reservation',
  body: z.object({ reservationIds: z.array(Id).max(500) }),
  reply: z.object({ release: z.array(Id) }),
})

/** What payment has on record of one reservation's money. */
export const MoneyFacts = z.object({
  reservationId: Id,
  captures: z.array(Capture),
  returned: z.array(Returned),
  /** Refunds that gave nothing back. */
  failed: z.array(Returned),
})
export type MoneyFacts = z.infer<typeof MoneyFacts>

/**
 * Payment says once more what it knows of some money, a while after it was told: a broker that lost everything may have taken
 * the message, and no command of reservation's waits for it. `heard` are those that reservation is through with.
 */
export const AuditMoney = defineRequest('reservation.audit-money', 1, {
  to: 'reservation',
  body: z.object({ facts: z.array(MoneyFacts).max(100) }),
  reply: z.object({ heard: z.array(Id) }),
})
