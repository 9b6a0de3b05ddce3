import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import { OpenPayment } from '@holdfast/contracts/messages/payment'
import type { convertHold as route } from '@holdfast/contracts/routes/reservations'
import { answerOf, noteRecovery, storeAnswer } from '@holdfast/http/idempotency'
import type { Call } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import { z } from 'zod'
import {
  whenConversionStarted,
  whenFreeOfCharge,
  whenPaymentCaptured,
  whenPaymentDeclined,
  whenPaymentOpened,
} from './booking-saga.ts'
import { newReference } from './reference.ts'
import { isOver, isUndecided, type Reservation, type Step } from './reservation.ts'
import { lockReservation, type Seen, write } from './store.ts'
import type { WakeSettings } from './wake.ts'

/**
 * Commit the intention to pay, ask payment, commit its answer. A crash in between leaves a hold that is `opening`: a retry
 * with the same key takes up the same attempt, and at the end of the hold the fence closes whatever was opened.
 */

type Answer = z.input<typeof route.reply>
type Opened = Exclude<z.infer<typeof OpenPayment.reply>, { outcome: 'unavailable' }>
/** What a retry of the same request has to know: the attempt it had started. */
const Recovery = z.object({ attempt: z.int() }).nullable().catch(null)

export function convertHold({ messaging }: Pick<Parts, 'messaging'>, wake: WakeSettings) {
  return async (call: Call<typeof route>): Promise<Answer> => {
    const intention = await intend(call)
    if ('answer' in intention) return intention.answer
    const { reservation, attempt } = intention
    const opened = await messaging.ask(OpenPayment, {
      reservationId: reservation.id,
      attempt,
      userId: reservation.userId,
      amountMinor: reservation.totalPrice,
      currency: reservation.currency,
      paymentMethodId: call.body.paymentMethodId ?? null,
      savePaymentMethod: call.body.savePaymentMethod ?? false,
      description: `${reservation.experience.title}, ${reservation.numberOfGuests} guests`,
    })
    // Nothing is stored of this: the same key may be retried.
    if (opened.outcome === 'unavailable') throw new Unavailable(opened.reason)
    const { answer, error } = await record(call, reservation.id, opened)
    if (error) throw error
    return answer
  }

  /** The first transaction. A reservation without a price is confirmed in it. */
  function intend(call: Call<typeof route>): Promise<{ reservation: Seen; attempt: number } | { answer: Answer }> {
    return messaging.transact(async (tx) => {
      const before = await lockReservation(tx, call.body.holdId)
      if (before?.userId !== call.user.id) throw new DomainError('RESERVATION_NOT_FOUND')
      const recovered = Recovery.parse(call.recovery)
      // An attempt that was begun is asked for again, whatever has become of the reservation: it may have been paid.
      if (recovered) return { reservation: before, attempt: recovered.attempt }
      assertConvertible(before, before.now)
      if (before.totalPrice === 0) {
        const step = whenFreeOfCharge(before, newReference())
        await write(tx, before, step, wake)
        const answer = answerWith(step.reservation, null, false)
        if (call.key) await storeAnswer(tx, call.key, { status: 200, body: answer })
        return { answer }
      }
      const step = whenConversionStarted(before, before.now)
      await write(tx, before, step, wake)
      const { attempt } = step.reservation
      if (call.key) await noteRecovery(tx, call.key, { attempt })
      return { reservation: before, attempt }
    })
  }

  /** The second transaction: what payment said, and our answer to the client with it. */
  function record(
    call: Call<typeof route>,
    reservationId: string,
    opened: Opened,
  ): Promise<{ answer: Answer; error?: undefined } | { answer?: undefined; error: DomainError }> {
    return messaging.transact(async (tx) => {
      const before = await lockReservation(tx, reservationId)
      if (!before) throw new Error(`reservation ${reservationId} has vanished`)
      const step = stepOf(before, opened)
      if (step.reservation !== before) await write(tx, before, step, wake)
      const result = resultOf(step.reservation, opened)
      // The hold has ended while its card was charged: the same key may be retried until it is known what came of that.
      if (result.error && mayHaveCharged(call, opened) && mayEndConfirmed(step.reservation))
        throw new Unavailable('what comes of the payment is not decided yet')
      const stored = result.error ? answerOf(result.error, call.request.id) : { status: 200, body: result.answer }
      if (call.key) await storeAnswer(tx, call.key, stored)
      return result
    })
  }
}

function assertConvertible(reservation: Reservation, now: Date): void {
  switch (reservation.status) {
    case 'held':
    case 'pending':
      if (isOver(reservation, now)) throw new DomainError('HOLD_EXPIRED')
      if (reservation.payment === 'closing') throw new DomainError('INVALID_HOLD_STATUS')
      return
    case 'expired':
      throw new DomainError('HOLD_EXPIRED')
    case 'confirmed':
    case 'cancelled':
      throw new DomainError('INVALID_HOLD_STATUS')
  }
}

function stepOf(reservation: Seen, opened: Opened): Step {
  switch (opened.outcome) {
    case 'open':
      return whenPaymentOpened(reservation, opened)
    case 'captured':
      return whenPaymentCaptured(reservation, opened.capture, newReference())
    case 'declined':
      return whenPaymentDeclined(reservation, opened)
    case 'failed':
    case 'method_not_found':
    case 'closed':
      return { reservation }
  }
}

function resultOf(reservation: Reservation, opened: Opened) {
  switch (opened.outcome) {
    case 'open': {
      // The end of the hold may have come in between: then this secret is of an intent that is being cancelled.
      if (isClosed(reservation)) return { error: closedError(reservation) }
      // Also where the webhook of a saved card was faster: a client is told one thing, and confirmation follows.
      const pending = { ...reservation, status: 'pending' as const }
      return { answer: answerWith(pending, opened.clientSecret, opened.requiresAction, opened.paymentIntentId) }
    }
    case 'captured':
      return { answer: answerWith(reservation, opened.clientSecret, false, opened.capture.paymentIntentId) }
    case 'declined':
      return { error: new DomainError('PAYMENT_CARD_DECLINED', { declineCode: opened.declineCode }) }
    case 'failed':
      return { error: new DomainError('PAYMENT_PROCESSING_FAILED', { reason: opened.reason }, opened.message) }
    case 'method_not_found':
      return { error: new DomainError('PAYMENT_METHOD_NOT_FOUND') }
    case 'closed':
      return { error: closedError(reservation) }
  }
}

function mayHaveCharged({ body }: Call<typeof route>, opened: Opened): boolean {
  if (opened.outcome === 'closed') return typeof body.paymentMethodId === 'string'
  return opened.outcome === 'open' && ['succeeded', 'processing', 'requires_capture'].includes(opened.stripeStatus)
}

const mayEndConfirmed = (reservation: Reservation) => reservation.status === 'confirmed' || isUndecided(reservation)

const isClosed = ({ status, payment }: Reservation) =>
  status === 'expired' || status === 'cancelled' || payment === 'closing'

const closedError = ({ closeReason }: Reservation) =>
  new DomainError(closeReason === 'released' ? 'INVALID_HOLD_STATUS' : 'HOLD_EXPIRED')

const answerWith = (
  { id, status }: Reservation,
  paymentClientSecret: string | null,
  requiresAction: boolean,
  paymentIntentId: string | null = null,
): Answer => ({ reservation: { id, status, paymentIntentId }, paymentClientSecret, requiresAction })
