import type { Message } from '@holdfast/contracts/message'
import type { Capture, PaymentProgressed, StripeStatus } from '@holdfast/contracts/messages/payment'
import type { PaymentStatus } from '@holdfast/contracts/values'
import { paidStatus, returnMoney } from './booking-refunds.ts'
import { type CloseReason, endOf, isOpen, isOver, isPaidBy, type Reservation, type Step, stay } from './reservation.ts'

/**
 * The saga, from the hold to the end, as sentences: when this happens to a reservation in that state, it becomes this.
 * Money that goes back has its own (booking-refunds.ts); what has then to be told to inventory and payment follows from the
 * state itself (booking-commands.ts). Pure: no clock, no random, no database.
 */

// --- The guest -------------------------------------------------------------------------------------------------------

/** The intention to pay, written down before payment is asked. The status stays: nothing has happened yet. */
export function whenConversionStarted(reservation: Reservation, now: Date): Step {
  const attempt = reservation.attempt + 1
  return {
    reservation: { ...reservation, attempt, payment: 'opening', convertedAt: now, pollRound: 0 },
    event: 'conversion_started',
    details: { attempt },
  }
}

/** There is nothing to pay. */
export function whenFreeOfCharge(reservation: Reservation, reference: string): Step {
  return {
    reservation: { ...confirm(reservation, reference), paymentStatus: 'paid' },
    event: 'confirmed_free_of_charge',
  }
}

/** Payment has an intent for the guest to pay. */
export function whenPaymentOpened(
  reservation: Reservation,
  opened: { paymentIntentId: string; stripeStatus: StripeStatus; revision: number },
): Step {
  if (!awaitsPayment(reservation)) return stay(reservation)
  const { paymentIntentId, stripeStatus, revision } = opened
  return {
    reservation: withNews(reservation, { paymentIntentId, paymentStatus: paymentStatusOf(stripeStatus), revision }),
    event: 'payment_opened',
    details: { paymentIntentId, stripeStatus },
  }
}

/** The card was declined. The hold is kept, and its timer runs on. */
export function whenPaymentDeclined(
  reservation: Reservation,
  declined: { paymentIntentId: string; declineCode: string; revision: number },
): Step {
  if (!awaitsPayment(reservation)) return stay(reservation)
  const { paymentIntentId, declineCode, revision } = declined
  return {
    reservation: withNews(reservation, { paymentIntentId, paymentStatus: 'failed', revision }),
    event: 'payment_declined',
    details: { paymentIntentId, declineCode },
  }
}

/** Pending in any case; but an answer that comes late must not overwrite what is newer. */
function withNews(
  reservation: Reservation,
  news: { paymentIntentId: string; paymentStatus: PaymentStatus; revision: number },
): Reservation {
  const pending: Reservation = { ...reservation, status: 'pending', payment: 'open' }
  if (news.revision < reservation.paymentRevision) return pending
  const { paymentIntentId, paymentStatus, revision: paymentRevision } = news
  return { ...pending, paymentIntentId, paymentStatus, paymentRevision }
}

/** The guest gives the hold back. Where money may be under way, the payment is closed first. */
export function whenReleased(reservation: Reservation, now: Date): Step {
  if (reservation.payment === 'none')
    return { reservation: { ...reservation, status: 'cancelled', seats: 'releasing' }, event: 'released' }
  return closePayment(reservation, 'released', now)
}

// --- The clock -------------------------------------------------------------------------------------------------------

/** The time of the hold may be up. Early is ignored, late is harmless. */
export function whenDue(reservation: Reservation, now: Date, closeDeadlineMs: number): Step {
  switch (reservation.status) {
    case 'held':
    case 'pending':
      if (hasWaitedTooLong(reservation, now, closeDeadlineMs)) return abandonClosing(reservation)
      if (!isOver(reservation, now)) return stay(reservation)
      if (reservation.payment === 'none')
        return { reservation: { ...reservation, status: 'expired', seats: 'releasing' }, event: 'expired' }
      // The fence: seats go to nobody else before their intent can no longer be paid.
      return closePayment(reservation, 'expired', now)
    case 'confirmed':
    case 'expired':
    case 'cancelled':
      return stay(reservation)
  }
}

function closePayment(reservation: Reservation, reason: CloseReason, now: Date): Step {
  if (reservation.payment === 'closing') return stay(reservation)
  return {
    reservation: { ...reservation, payment: 'closing', closeReason: reason, closingSince: now },
    event: 'payment_closing',
    details: { reason },
  }
}

const hasWaitedTooLong = ({ payment, closingSince }: Reservation, now: Date, deadlineMs: number) =>
  payment === 'closing' && closingSince !== null && now.getTime() >= closingSince.getTime() + deadlineMs

/** Stripe has not answered for too long: the seats go free. Should money come after all, the late-payment rule decides. */
function abandonClosing(reservation: Reservation): Step {
  return { reservation: end(reservation), event: 'closing_abandoned' }
}

// --- Payment ---------------------------------------------------------------------------------------------------------

/** No intent can be paid any more, and none was. */
export function whenPaymentClosed(reservation: Reservation): Step {
  if (reservation.payment !== 'closing') return stay(reservation)
  const closed: Reservation = { ...reservation, payment: 'closed' }
  switch (reservation.status) {
    case 'held':
    case 'pending':
      return { reservation: end(closed), event: 'payment_closed' }
    case 'expired':
    case 'cancelled':
      return { reservation: closed, event: 'payment_closed' }
    case 'confirmed':
      return stay(reservation)
  }
}

/** Money came in. Where it comes too late, the seats are taken again if they are free; else it goes back. */
export function whenPaymentCaptured(reservation: Reservation, capture: Capture, reference: string): Step {
  if (isPaidBy(reservation, capture)) return stay(reservation)
  if (reservation.payment === 'captured') return returnMoney(reservation, capture, 'duplicate')
  const { paymentIntentId, paymentId, chargeId, amountMinor: capturedMinor } = capture
  const received = { paymentIntentId, paymentId, chargeId, capturedMinor }
  const paymentStatus = paidStatus(capturedMinor, paymentIntentId, reservation.refunds)
  const paid: Reservation = { ...reservation, ...received, payment: 'captured', paymentStatus }
  switch (reservation.status) {
    case 'held':
    case 'pending':
      return { reservation: confirm(paid, reference), event: 'payment_captured', details: { paymentIntentId } }
    case 'expired':
      // Seats that are just being given back are taken again after that: one order to inventory at a time.
      return {
        reservation: reservation.seats === 'released' ? takeAgain(paid) : paid,
        event: 'payment_captured_late',
        details: { paymentIntentId },
      }
    case 'cancelled':
      // The guest gave the seats back: not wanted any more, even if they are free.
      return returnMoney(paid, capture, 'late')
    case 'confirmed':
      // Free of charge, and paid all the same.
      return returnMoney(reservation, capture, 'duplicate')
  }
}

/** An attempt moved without being paid. What is older than what we know says nothing new. */
export function whenPaymentProgressed(
  reservation: Reservation,
  progress: Message<typeof PaymentProgressed>['body'],
): Step {
  if (!awaitsPayment(reservation) || progress.revision <= reservation.paymentRevision) return stay(reservation)
  const { paymentIntentId, status: paymentStatus, revision: paymentRevision, declineCode } = progress
  return {
    reservation: {
      ...reservation,
      status: 'pending',
      payment: 'open',
      paymentIntentId,
      paymentStatus,
      paymentRevision,
    },
    event: `payment_${paymentStatus}`,
    details: { paymentIntentId, ...(declineCode !== null && { declineCode }) },
  }
}

// --- The seats -------------------------------------------------------------------------------------------------------

export function whenSeatsConfirmed(reservation: Reservation): Step {
  if (reservation.seats !== 'confirming') return stay(reservation)
  return { reservation: { ...reservation, seats: 'booked' }, event: 'seats_confirmed' }
}

export function whenSeatsReleased(reservation: Reservation): Step {
  if (reservation.seats !== 'releasing') return stay(reservation)
  const released: Reservation = { ...reservation, seats: 'released' }
  // The money came while they were being given back.
  const wasPaidLate = released.status === 'expired' && released.payment === 'captured'
  return { reservation: wasPaidLate ? takeAgain(released) : released, event: 'seats_released' }
}

/** For money that is still with us. Where all of it went back already, there is nothing to have them for. */
const takeAgain = (reservation: Reservation): Reservation =>
  reservation.paymentStatus === 'refunded'
    ? { ...reservation, outcome: 'late_payment_refunded' }
    : { ...reservation, seats: 'reacquiring' }

export function whenSeatsReacquired(reservation: Reservation, reference: string): Step {
  if (reservation.seats !== 'reacquiring') return stay(reservation)
  return {
    reservation: { ...confirm(reservation, reference), seats: 'booked', outcome: 'late_payment_confirmed' },
    event: 'seats_reacquired',
  }
}

/**
 * They are gone. The money goes back. Seats of a confirmed reservation are never given away, so inventory can only refuse
 * those after it was restored from an old backup: then there is no seat, and the guest must not be told that there is one.
 */
export function whenSeatsRefused(reservation: Reservation): Step {
  if (reservation.seats !== 'reacquiring' && reservation.seats !== 'confirming') return stay(reservation)
  const { paymentIntentId, capturedMinor, refunds } = reservation
  const released: Reservation = { ...reservation, status: 'expired', seats: 'released', reservationReference: null }
  const step = { reservation: released, event: 'seats_refused' }
  // Nothing was paid, or all of it went back already.
  if (paymentIntentId === null || capturedMinor === null) return step
  if (paidStatus(capturedMinor, paymentIntentId, refunds) === 'refunded')
    return { ...step, reservation: { ...released, outcome: 'late_payment_refunded' } }
  const refundsDue = [...reservation.refundsDue, { paymentIntentId, reason: 'late' as const }]
  return { ...step, reservation: { ...released, refundsDue } }
}

// --- What they share ----------------------------------------------------------------------------------------------------

const confirm = (reservation: Reservation, reservationReference: string): Reservation => ({
  ...reservation,
  status: 'confirmed',
  seats: 'confirming',
  reservationReference,
})

const end = (reservation: Reservation): Reservation => ({
  ...reservation,
  status: endOf(reservation.closeReason ?? 'expired'),
  seats: 'releasing',
})

const awaitsPayment = (reservation: Reservation) =>
  isOpen(reservation) && (reservation.payment === 'opening' || reservation.payment === 'open')

function paymentStatusOf(stripeStatus: StripeStatus): PaymentStatus {
  switch (stripeStatus) {
    case 'requires_payment_method':
    case 'requires_confirmation':
    case 'canceled':
    case 'unknown':
      return 'unpaid'
    case 'requires_action':
      return 'requires_action'
    case 'processing':
    case 'requires_capture':
    case 'succeeded':
      return 'processing'
  }
}
