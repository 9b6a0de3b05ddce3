import type { IntentFacts, RefundFacts } from '@holdfast/contracts/facts'
import { type Booking, type Bounds, type ReservationFacts, type Said, standingOf } from './booking.ts'

/** A reservation against its money: each capture pays for one confirmed reservation, or goes back once. Pure. */

/** A refund that failed gave nothing back. */
const isLive = ({ status }: RefundFacts): boolean => status !== 'failed' && status !== 'canceled'
const sum = (refunds: readonly RefundFacts[]) => refunds.reduce((total, { amountMinor }) => total + amountMinor, 0)
export const returnedOf = (intent: IntentFacts): number => sum(intent.refunds.filter(isLive))
export const hasMoney = ({ capturedAt, mismatch }: IntentFacts): boolean => capturedAt !== null || mismatch !== null

export function judgeMoney(booking: Booking, bounds: Bounds): Said[] {
  const { reservation, payment, now } = booking
  const intents = payment?.intents ?? []
  return [
    ...(reservation ? judgeRecord(reservation, booking, bounds) : []),
    ...(payment && !reservation
      ? [
          {
            kind: 'payment-without-reservation',
            what: `a payment with ${intents.length} intents, and there is no such reservation`,
            since: payment.createdAt,
            standing: standingOf(payment.createdAt, now, bounds.untold),
          },
        ]
      : []),
    ...intents.flatMap((intent) => (hasMoney(intent) ? judgeCapture(intent, booking, bounds) : [])),
  ]
}

/** What reservation says of its payment, against payment's rows. */
function judgeRecord(reservation: ReservationFacts, { payment, now }: Booking, bounds: Bounds): Said[] {
  const { status, movedAt, totalPrice, paymentIntentId } = reservation
  const drift = (kind: string, what: string): Said => ({ kind, what, since: movedAt, standing: 'drift' })
  const findings: Said[] = []
  const mustExist = ['open', 'closed', 'captured'].includes(reservation.payment)
  if (mustExist && !payment)
    findings.push(drift('payment-missing', `its payment is ${reservation.payment}, and payment has none`))
  if (status === 'confirmed' && totalPrice > 0) {
    const paying = payment?.intents.filter(({ id, capturedAt }) => id === paymentIntentId && capturedAt !== null) ?? []
    if (paying.length === 0)
      findings.push(drift('unpaid', `confirmed for ${totalPrice}, but nothing was captured for it`))
  }
  if (reservation.payment === 'closed') {
    const payable = payment?.intents.filter(({ status }) => status !== 'canceled' && status !== 'succeeded') ?? []
    for (const { id } of payable) findings.push(drift('payable', `${status}, but ${id} can still be paid`))
    if (payment?.state === 'open') findings.push(drift('payable', `${status}, but its payment is open`))
  }
  if (payment?.closeAt && standingOf(payment.closeAt, now, bounds.outbox) === 'drift')
    findings.push({
      kind: 'closing-overdue',
      what: 'its payment should be closed, and nobody goes on with it: is payment running?',
      since: payment.closeAt,
      standing: 'drift',
    })
  return findings
}

/** One intent that has money. */
function judgeCapture(intent: IntentFacts, { reservation, now }: Booking, bounds: Bounds): Said[] {
  const { id, amountReceivedMinor: received, capturedAt, updatedAt } = intent
  const since = capturedAt ?? updatedAt
  const drift = (kind: string, what: string): Said => ({ kind, what, since, standing: 'drift' })
  const findings: Said[] = []
  const returned = returnedOf(intent)
  if (returned > received) findings.push(drift('refunded-twice', `${id}: ${returned} given back of ${received}`))
  const pays = reservation?.payment === 'captured' && reservation.paymentIntentId === id
  if (reservation && pays && reservation.status === 'confirmed')
    return [...findings, ...judgePaying(intent, reservation, drift), ...judgeTold(intent, reservation, now, bounds)]
  // Seats are being taken again for it; how long that may take is judged as a command without an answer.
  if (pays && (reservation.seats === 'reacquiring' || reservation.seats === 'releasing')) return findings
  if (reservation && isPaidInFull(intent)) findings.push(...judgeTold(intent, reservation, now, bounds))
  if (isPaidInFull(intent)) {
    const what = `${id} was paid with another ${intent.mismatch}, and all of it was given back`
    return intent.mismatch === null ? findings : [...findings, { kind: 'mismatch', what, since, standing: 'note' }]
  }
  const isKnown = reservation !== undefined && (pays || isNamed(reservation, id))
  const from = isKnown && reservation.movedAt > since ? reservation.movedAt : since
  const standing = standingOf(from, now, isKnown || intent.mismatch !== null ? bounds.unanswered : bounds.untold)
  const owed = `${received - returned} of ${received} still to be given back`
  const state = reservation ? `the reservation is ${reservation.status}` : 'there is no such reservation'
  if (intent.mismatch !== null)
    findings.push({
      kind: 'mismatch',
      what: `${id} was paid with another ${intent.mismatch}: ${owed}`,
      since,
      standing,
    })
  else if (isKnown)
    findings.push({ kind: 'money-without-seat', what: `${id} was captured, ${state}: ${owed}`, since, standing })
  else {
    const what = `${id} captured ${received}, and reservation has not heard of it (${state})`
    findings.push({ kind: 'capture-untold', what, since, standing })
  }
  return findings
}

const isPaidInFull = (intent: IntentFacts) => returnedOf(intent) >= intent.amountReceivedMinor

const isNamed = ({ refundsDue, refunds }: ReservationFacts, intentId: string) =>
  [...refundsDue, ...refunds].some(({ paymentIntentId }) => paymentIntentId === intentId)

/** The capture that pays for a confirmed reservation. */
function judgePaying(
  intent: IntentFacts,
  reservation: ReservationFacts,
  drift: (kind: string, what: string) => Said,
): Said[] {
  const { id, amountReceivedMinor: received, currency, refundCause } = intent
  const { totalPrice, capturedMinor } = reservation
  const asked = `${totalPrice} ${reservation.currency}`
  const isRight = received === totalPrice && capturedMinor === totalPrice && currency === reservation.currency
  return [
    ...(isRight
      ? []
      : [
          drift('amount', `${id} captured ${received} ${currency} (told: ${capturedMinor}), but the price is ${asked}`),
        ]),
    ...(refundCause === null
      ? []
      : [drift('confirmed-and-refunded', `confirmed, but ${id} is given back as ${refundCause}`)]),
  ]
}

/** Money that went back is told to the reservation. */
function judgeTold(intent: IntentFacts, reservation: ReservationFacts, now: string, bounds: Bounds): Said[] {
  const told = new Set(reservation.refunds.map(({ refundId }) => refundId))
  return intent.refunds
    .filter((refund) => isLive(refund) && !told.has(refund.id))
    .map(({ id, amountMinor, createdAt }) => ({
      kind: 'refund-untold',
      what: `${id} gave ${amountMinor} of ${intent.id} back, and reservation has not heard of it`,
      since: createdAt,
      standing: standingOf(createdAt, now, bounds.untold),
    }))
}
