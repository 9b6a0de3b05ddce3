import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import { ReadPayment, type StripeStatus } from '@holdfast/contracts/messages/payment'
import type { getPaymentStatus as route } from '@holdfast/contracts/routes/reservations'
import type { Call } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import { hearMoney } from './money.ts'
import { type Reservation, refundsMade, seenAt } from './reservation.ts'
import { findReservation, type Seen } from './store.ts'
import type { WakeSettings } from './wake.ts'

/** Where the payment stands, read through to Stripe; and if Stripe knows of a payment that we have missed, it moves on. */

type Answer = z.input<typeof route.reply>
type Payment = NonNullable<z.infer<typeof ReadPayment.reply>['payment']>

export function paymentStatus(parts: Pick<Parts, 'messaging' | 'database' | 'logger'>, wake: WakeSettings) {
  const { messaging, database, logger } = parts

  return async ({ params, user }: Call<typeof route>): Promise<Answer> => {
    const reservation = await findReservation(database, params.id, user.id)
    if (!reservation) throw new DomainError('RESERVATION_NOT_FOUND')
    const payment = reservation.payment === 'none' ? null : await read(reservation)
    const healed = payment ? await hearMoney(messaging, reservation, factsOf(reservation, payment), wake) : reservation
    return { success: true, data: { ...intentOf(healed, payment), ...statusOf(healed, payment) } }
  }

  /** Null when payment is away: then what is stored here has to do. */
  async function read({ id: reservationId }: Reservation): Promise<Payment | null> {
    try {
      return (await messaging.ask(ReadPayment, { reservationId })).payment
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      logger.warn({ err: error, reservationId }, 'the payment could not be read; answering with what is stored')
      return null
    }
  }
}

const factsOf = ({ id: reservationId }: Reservation, { captures, returned }: Payment) => ({
  ...{ reservationId, captures, returned },
  // Those it does not tell of here are heard of by message, or with payment's audit.
  failed: [],
})

function statusOf(reservation: Seen, payment: Payment | null) {
  const { status, paymentStatus } = seenAt(reservation, reservation.now)
  // Stripe has just said so; the message that says so to the reservation is still under way.
  const isAsked = status === 'pending' && paymentStatus === 'unpaid' && payment?.requiresAction
  return {
    reservationStatus: status,
    paymentStatus: isAsked ? ('requires_action' as const) : paymentStatus,
    outcome: reservation.outcome,
  }
}

/** What Stripe says, as it is now or else as it was last heard. */
function intentOf(reservation: Reservation, payment: Payment | null) {
  const refunds = payment ? payment.refunds : refundsMade(reservation.refunds)
  // Of two that were paid, payment names the older one; which of them pays for the seats is known here alone.
  const paying = reservation.payment === 'captured' ? reservation.paymentIntentId : null
  return {
    paymentIntentId: paying ?? payment?.paymentIntentId ?? reservation.paymentIntentId,
    stripeStatus: payment ? payment.stripeStatus : lastKnown(reservation),
    requiresAction: payment ? payment.requiresAction : reservation.paymentStatus === 'requires_action',
    actionType: payment?.actionType ?? null,
    amountRefunded: refunds.reduce((sum, refund) => sum + refund.amount, 0),
    refunds,
  }
}

function lastKnown({ payment, paymentStatus }: Reservation): StripeStatus | null {
  if (payment === 'none' || payment === 'opening') return null
  if (payment === 'captured') return 'succeeded'
  if (payment === 'closed') return 'canceled'
  return paymentStatus === 'requires_action' ? 'requires_action' : 'requires_payment_method'
}
