import { type Message, send } from '@holdfast/contracts/message'
import { type AllocateSeats, ReleaseSeats } from '@holdfast/contracts/messages/inventory'
import { ScheduleTimeout } from '@holdfast/contracts/messages/timeout'
import type { createHold } from '@holdfast/contracts/routes/reservations'
import type { z } from 'zod'

export type Allocated = Extract<z.infer<typeof AllocateSeats.reply>, { outcome: 'allocated' }>

/** A hold as it is to be: what is written, what is answered, and what is told then. Pure. */
export interface Hold {
  readonly reservationId: string
  readonly allocated: Allocated
  readonly now: Date
  readonly holdExpiresAt: Date
  readonly answer: z.input<typeof createHold.reply>
  /** Arms its timer. */
  readonly timeout: Message
  /** Told instead when it may not be written after all. */
  readonly release: Message
}

export function composeHold(reservationId: string, allocated: Allocated, now: Date): Hold {
  const { price, experience } = allocated
  const { holdSeconds, currency } = experience
  const { totalPrice, originalPrice, discountApplied, appliedDiscounts } = price
  const holdExpiresAt = new Date(now.getTime() + holdSeconds * 1_000)
  const dueAt = holdExpiresAt.toISOString()
  return {
    reservationId,
    allocated,
    now,
    holdExpiresAt,
    answer: {
      reservation: {
        id: reservationId,
        status: 'held',
        holdExpiresAt: dueAt,
        totalPrice,
        originalPrice,
        discountApplied,
        currency,
      },
      appliedDiscounts,
      holdDurationMinutes: holdSeconds / 60,
    },
    timeout: send(ScheduleTimeout, { reservationId, dueAt, delaySeconds: holdSeconds }),
    release: send(ReleaseSeats, { reservationId }),
  }
}
