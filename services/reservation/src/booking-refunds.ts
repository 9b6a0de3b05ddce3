import type { Message } from '@holdfast/contracts/message'
import type { Capture, PaymentRefunded, PaymentRefundFailed } from '@holdfast/contracts/messages/payment'
import type { Outcome, PaymentStatus } from '@holdfast/contracts/values'
import { isPaidBy, type Reservation, type Returned, refundsMade, type Step, stay } from './reservation.ts'

/** The saga's part about money that goes back: when it is owed, when it is settled, and what the guest is told of it. Pure. */

/** This intent's money is owed to the guest. */
export function returnMoney(
  reservation: Reservation,
  { paymentIntentId, amountMinor }: Capture,
  reason: 'late' | 'duplicate',
): Step {
  // What someone gave back of it in the dashboard does not return the rest.
  const isUnderWay =
    reservation.refundsDue.some((due) => due.paymentIntentId === paymentIntentId) ||
    paidStatus(amountMinor, paymentIntentId, reservation.refunds) === 'refunded'
  if (isUnderWay) return stay(reservation)
  return {
    reservation: { ...reservation, refundsDue: [...reservation.refundsDue, { paymentIntentId, reason }] },
    event: reason === 'duplicate' ? 'payment_captured_twice' : 'payment_captured_late',
    details: { paymentIntentId },
  }
}

const causes = {
  late: 'late_payment_refunded',
  duplicate: 'duplicate_payment_refunded',
  mismatch: 'mismatch_refunded',
  external: null,
} as const satisfies Record<string, Outcome | null>

/** Money went back. The reservation keeps its status and its seats. */
export function whenPaymentRefunded(reservation: Reservation, refunded: Message<typeof PaymentRefunded>['body']): Step {
  const { paymentIntentId, refund, cause, capturedMinor } = refunded
  if (reservation.refunds.some((known) => known.refundId === refund.refundId)) return stay(reservation)
  const refunds = [...reservation.refunds, { ...refund, paymentIntentId }]
  const paymentStatus = paidStatus(capturedMinor, paymentIntentId, refunds)
  const due = reservation.refundsDue.find((known) => known.paymentIntentId === paymentIntentId)
  // All of it may have been given back by someone in the dashboard before our own order got there.
  const isSettled = due && (cause !== 'external' || paymentStatus === 'refunded')
  return {
    reservation: {
      ...reservation,
      refunds,
      refundsDue: isSettled ? reservation.refundsDue.filter((other) => other !== due) : reservation.refundsDue,
      paymentStatus: isPaidBy(reservation, { paymentIntentId }) ? paymentStatus : reservation.paymentStatus,
      outcome: (isSettled ? causes[due.reason] : causes[cause]) ?? reservation.outcome,
    },
    event: 'payment_refunded',
    details: { paymentIntentId, refundId: refund.refundId, amount: refund.amount, cause },
  }
}

/**
 * A refund came back to us: what was owed is owed again, and the guest is no longer told that it was given back. Payment
 * makes it anew.
 */
export function whenRefundFailed(reservation: Reservation, body: Message<typeof PaymentRefundFailed>['body']): Step {
  const { paymentIntentId, refund, cause, capturedMinor } = body
  const { refundId, amount } = refund
  const known = reservation.refunds.find((other) => other.refundId === refundId)
  if (known?.failed) return stay(reservation)
  const others = reservation.refunds.filter((other) => other !== known)
  const refunds = [...others, { ...refund, paymentIntentId, failed: true as const }]
  const paymentStatus = paidStatus(capturedMinor, paymentIntentId, refunds)
  const pays = isPaidBy(reservation, { paymentIntentId })
  // What others had given back is owed by us now where there are no seats for it. What pays for nothing at all is found when
  // payment asks whether its captures were heard of (money.ts): a capture says what is a duplicate, a refund does not.
  const isOurs = cause === 'late' || cause === 'duplicate' || (cause === 'external' && pays && hasNoSeats(reservation))
  const isOwed = isOurs && paymentStatus !== 'refunded'
  const reason = cause === 'duplicate' || (cause === 'external' && !pays) ? 'duplicate' : 'late'
  const claim = cause === 'mismatch' ? causes.mismatch : causes[reason]
  const otherDues = reservation.refundsDue.filter((due) => due.paymentIntentId !== paymentIntentId)
  return {
    reservation: {
      ...reservation,
      refunds,
      refundsDue: isOwed ? [...otherDues, { paymentIntentId, reason }] : reservation.refundsDue,
      paymentStatus: pays ? paymentStatus : reservation.paymentStatus,
      // Another one may have been heard of before.
      outcome: paymentStatus !== 'refunded' && reservation.outcome === claim ? null : reservation.outcome,
    },
    event: 'payment_refund_failed',
    details: { paymentIntentId, refundId, amount, cause },
  }
}

/** Follows from what was captured and what went back of it, in whatever order the two were heard of. */
export function paidStatus(
  capturedMinor: number,
  paymentIntentId: string,
  refunds: readonly Returned[],
): PaymentStatus {
  const returned = refundsMade(refunds).filter((refund) => refund.paymentIntentId === paymentIntentId)
  const returnedMinor = returned.reduce((sum, refund) => sum + refund.amount, 0)
  if (returnedMinor === 0) return 'paid'
  return returnedMinor < capturedMinor ? 'partially_refunded' : 'refunded'
}

/** Neither has them nor waits for them. */
const hasNoSeats = ({ status, seats }: Reservation) =>
  status === 'cancelled' || (status === 'expired' && seats === 'released')
