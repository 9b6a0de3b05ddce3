import { z } from 'zod'
import { defineRoute } from '../route.ts'
import { Currency, Id, ReservationStatus, Timestamp } from '../values.ts'

/** Drift: not as promised. Moving: not at rest, and within the time it may take. Note: worth knowing, nothing to do. */
export const Standing = z.enum(['drift', 'moving', 'note'])
export type Standing = z.infer<typeof Standing>

export const Finding = z.object({
  /** The reservation's id, where it is about one; else a slot, an outbox, an event. */
  subject: z.string(),
  kind: z.string(),
  what: z.string(),
  since: Timestamp,
  standing: Standing,
})
export type Finding = z.infer<typeof Finding>

/** Bookings that one request looks at. */
const mostBookings = 10_000

export const Verification = z.object({
  checkedAt: Timestamp,
  /** What was looked at in this answer; the numbers of all answers of a walk add up. */
  reservations: z.partialRecord(ReservationStatus, z.int()),
  seats: z.object({ slots: z.int(), capacity: z.int(), held: z.int(), booked: z.int() }),
  /** In minor units. */
  money: z.record(Currency, z.object({ captured: z.int(), returned: z.int() })),
  findings: z.array(Finding),
  /** More messages and calls wait or have failed than are listed. */
  truncated: z.boolean(),
  /** Where to go on, as `after`; null when there is nothing beyond. */
  next: Id.nullable(),
})
export type Verification = z.infer<typeof Verification>

/**
 * What is on its way (outboxes, dead letters, calls to Stripe) is told by the first request of a walk; bookings and slots in
 * the order of their ids, as far as a request comes in about two seconds.
 */
export const getVerification = defineRoute({
  service: 'reservation',
  method: 'GET',
  url: '/v1/operations/verification',
  summary: 'Hold the promises against the running system: whatever is not as it should be, by reservation',
  auth: 'operator',
  query: z
    .strictObject({
      /** `next` of the answer before. */
      after: Id.optional(),
      limit: z.coerce.number().int().min(1).max(mostBookings).default(mostBookings),
      /** One booking, and nothing else. */
      reservationId: Id.optional(),
    })
    .refine(
      ({ after, reservationId }) => after === undefined || reservationId === undefined,
      'either one reservation or all after an id',
    ),
  reply: Verification,
  errors: ['RESERVATION_NOT_FOUND'],
})
