import { z } from 'zod'
import { defineCommand, defineRequest } from '../message.ts'
import { Id, Timestamp } from '../values.ts'

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
