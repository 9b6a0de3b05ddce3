import { ReleaseSeats } from '@holdfast/contracts/messages/inventory'
import type { Queries } from '@holdfast/db/database'
import { type Handler, on } from '@holdfast/messaging/handler'
import type { Logger } from '@holdfast/runtime/logger'
import { answerOf, applyStep, lockAllocation } from './seats.ts'
import { type Step, whenReleased } from './time-slot.ts'

/** The seats of a reservation that is over are free again. */
export const onReleaseSeats = (logger: Logger): Handler =>
  on(ReleaseSeats, async ({ reservationId }, tx) => {
    const step = await releaseSeats(tx, reservationId, logger)
    tx.say(answerOf(step, reservationId))
  })

export async function releaseSeats(tx: Queries, reservationId: string, logger: Logger): Promise<Step> {
  const allocation = await lockAllocation(tx, reservationId)
  const step = whenReleased(allocation.state)
  await applyStep(tx, allocation, step)
  if (allocation.state === 'booked') logger.warn({ reservationId }, 'these seats are paid for: not released')
  return step
}
