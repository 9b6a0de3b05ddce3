import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { type Handler, on } from '@holdfast/messaging/handler'
import type { Logger } from '@holdfast/runtime/logger'
import { answerOf, applyStep, hasRoom, lockAllocation } from './seats.ts'
import { whenConfirmed } from './time-slot.ts'

/**
 * Held seats are booked for good. Seats that were given back are taken again if they are free, even if the slot has begun:
 * this guest has paid in time and may be at the door.
 */
export const onConfirmSeats = (logger: Logger): Handler =>
  on(ConfirmSeats, async ({ reservationId }, tx) => {
    const allocation = await lockAllocation(tx, reservationId)
    const step = whenConfirmed(allocation.state, hasRoom(allocation))
    await applyStep(tx, allocation, step)
    if (allocation.state === 'released')
      logger.error({ unknown: allocation.isNew, answer: step.answer }, 'paid seats had been given back')
    tx.say(answerOf(step, reservationId))
  })
