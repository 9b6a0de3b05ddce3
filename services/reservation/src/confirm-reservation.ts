import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import { type Capture, SettlePayment } from '@holdfast/contracts/messages/payment'
import type { confirmReservation as route } from '@holdfast/contracts/routes/reservations'
import type { Call } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import { whenPaymentCaptured } from './booking-saga.ts'
import { newReference } from './reference.ts'
import { isOpen, isOver, isUndecided, type Reservation } from './reservation.ts'
import { advance, findReservation, type Seen } from './store.ts'
import type { WakeSettings } from './wake.ts'
import { whenDecided } from './when-decided.ts'

/** The client says that it has paid: Stripe is asked, and what it says goes the same way as its webhook would. */

type Answer = z.input<typeof route.reply>

/** How long a request waits for what the end of the hold comes to, or for seats that were paid late to be taken again. */
const patienceMs = 3_000

export function confirmReservation({ messaging, database }: Pick<Parts, 'messaging' | 'database'>, wake: WakeSettings) {
  return async ({ body, user }: Call<typeof route>): Promise<Answer> => {
    const { reservationId, paymentIntentId } = body
    const reservation = await findReservation(database, reservationId, user.id)
    if (!reservation) throw new DomainError('RESERVATION_NOT_FOUND')
    const known = confirmedBy(reservation, paymentIntentId)
    if (known) return known
    assertConverted(reservation)

    const capture = await settle(reservation, paymentIntentId)
    // Until its payment is closed money may still come, also where the seats were not kept for so long.
    const decided = capture
      ? await whenPaid(reservation, capture)
      : await whenDecided(database, reservation, patienceMs, (seen) => !isOpen(seen))
    const answer = confirmedBy(decided, paymentIntentId)
    if (answer) return answer
    if (decided.status === 'confirmed')
      throw new DomainError('PAYMENT_PROCESSING_FAILED', { reason: 'already_paid_with_another_intent' })
    if (isUndecided(decided)) throw new Unavailable('what comes of the payment is not decided yet')
    throw new DomainError('HOLD_EXPIRED', decided.payment === 'captured' ? { outcome: decided.outcome } : undefined)
  }

  /** What was paid; nothing when it was not, and the time for it is over. */
  async function settle(reservation: Seen, paymentIntentId: string): Promise<Capture | undefined> {
    const reply = await messaging.ask(SettlePayment, { reservationId: reservation.id, paymentIntentId })
    switch (reply.outcome) {
      case 'captured':
        return reply.capture
      case 'rejected':
        throw new DomainError('PAYMENT_PROCESSING_FAILED', { reason: reply.reason })
      case 'not_paid':
        if (reservation.status === 'expired' || isOver(reservation, reservation.now)) return undefined
        throw new DomainError(
          'PAYMENT_PROCESSING_FAILED',
          { stripeStatus: reply.stripeStatus },
          'The payment is not complete',
        )
      case 'unavailable':
        throw new Unavailable(reply.reason)
    }
  }

  /** Paid after the seats were given back: inventory says whether they are still free. */
  async function whenPaid({ id }: Seen, capture: Capture): Promise<Seen> {
    const paid = await messaging.transact((tx) =>
      advance(tx, id, wake, (before) => whenPaymentCaptured(before, capture, newReference())),
    )
    const isDecided = ({ seats, refundsDue, outcome }: Seen) =>
      seats === 'booked' || refundsDue.length > 0 || outcome !== null
    return paid.status === 'expired' ? await whenDecided(database, paid, patienceMs, isDecided) : paid
  }
}

function confirmedBy(reservation: Reservation, paymentIntentId: string): Answer | undefined {
  const { id, status, paymentStatus, reservationReference, paymentId, chargeId } = reservation
  if (status !== 'confirmed' || reservation.paymentIntentId !== paymentIntentId) return undefined
  if (!reservationReference || !paymentId || !chargeId) return undefined
  return {
    reservation: { id, status, paymentStatus, reservationReference },
    payment: { paymentId, status: 'captured', chargeId },
  }
}

/** There is something to confirm only once payment was asked for an intent. */
function assertConverted(reservation: Seen): void {
  if (reservation.payment !== 'none') return
  const isExpired =
    reservation.status === 'expired' || (reservation.status === 'held' && isOver(reservation, reservation.now))
  throw new DomainError(isExpired ? 'HOLD_EXPIRED' : 'INVALID_HOLD_STATUS')
}
