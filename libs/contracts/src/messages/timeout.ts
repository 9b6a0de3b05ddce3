import { z } from 'zod'
import { defineCommand } from '../message.ts'
import { Id, Timestamp } from '../values.ts'

/**
 * Wake the reservation service when a hold is due. `delaySeconds` is the whole hold, one of few distinct values, so that
 * brokers without the delayed exchange need one queue for each of them.
 */
export const ScheduleTimeout = defineCommand('timeout.schedule', 1, {
  to: 'timeout',
  body: z.object({ reservationId: Id, dueAt: Timestamp, delaySeconds: z.int().min(1).max(86_400) }),
  key: (timeout) => `${timeout.reservationId}:${timeout.dueAt}`,
})
