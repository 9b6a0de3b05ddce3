import { type Message, send } from '@holdfast/contracts/message'
import { PollPayment } from '@holdfast/contracts/messages/payment'
import { outstanding } from './booking-commands.ts'
import { isOpen, type Reservation } from './reservation.ts'

/**
 * When somebody has to look at a reservation again even if no message and no timer ever comes. The row itself carries
 * that time (`wake_at`), the sweep goes by it: this is what survives a broker that lost everything. Pure.
 */

export interface WakeSettings {
  /** A command without an answer is said again after this, then after twice that, up to an hour. */
  readonly watchdogMs: number
  /** After a conversion, Stripe is asked at these ages: its webhook may have been lost. */
  readonly pollAfterMs: readonly number[]
  /** How long the seats stay held while Stripe does not say whether an intent was paid. */
  readonly closeDeadlineMs: number
}

const longestPauseMs = 3_600_000

export function wakeAt(reservation: Reservation, now: Date, settings: WakeSettings): Date | null {
  const times: number[] = []
  if (outstanding(reservation).length > 0) {
    times.push(now.getTime() + Math.min(settings.watchdogMs * 2 ** reservation.repeats, longestPauseMs))
    if (isOpen(reservation) && reservation.closingSince)
      times.push(reservation.closingSince.getTime() + settings.closeDeadlineMs)
  } else if (isOpen(reservation)) {
    times.push(reservation.holdExpiresAt.getTime())
    const poll = nextPollAt(reservation, settings)
    if (poll !== undefined) times.push(poll)
  }
  return times.length > 0 ? new Date(Math.min(...times)) : null
}

/** The next question to Stripe, if one is due at `now`. */
export function pollDue(reservation: Reservation, now: Date, settings: WakeSettings): Message | undefined {
  const at = nextPollAt(reservation, settings)
  if (at === undefined || now.getTime() < at) return undefined
  return send(PollPayment, { reservationId: reservation.id, round: reservation.attempt * 100 + reservation.pollRound })
}

function nextPollAt({ payment, convertedAt, pollRound }: Reservation, settings: WakeSettings): number | undefined {
  const after = settings.pollAfterMs[pollRound]
  const isUnderWay = payment === 'opening' || payment === 'open'
  return isUnderWay && convertedAt && after !== undefined ? convertedAt.getTime() + after : undefined
}
