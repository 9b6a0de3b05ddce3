import type { AllocationFacts, IntentFacts, PaymentFacts, RefundFacts } from '@holdfast/contracts/facts'
import { describe, expect, test } from '@jest/globals'
import type { Booking, ReservationFacts } from './booking.ts'
import { judge } from './judge.ts'

/** Each kind of drift is seen, and what is only on its way is not taken for one. */

const now = '2026-11-23T12:00:00.000Z'
const ago = (seconds: number) => new Date(Date.parse(now) - seconds * 1_000).toISOString()
const id = '5b0c2c52-2f3a-5b5e-8a43-6f1f6f0a9d01'
const slot = '11111111-1111-4111-8111-111111111111'

const held: ReservationFacts = {
  id,
  status: 'held',
  paymentStatus: 'unpaid',
  payment: 'none',
  seats: 'held',
  guests: 2,
  timeSlotId: slot,
  totalPrice: 15_000,
  currency: 'usd',
  holdExpiresAt: ago(-600),
  paymentIntentId: null,
  capturedMinor: null,
  refundsDue: [],
  refunds: [],
  wakeAt: ago(-600),
  movedAt: ago(300),
}
const atRest = { wakeAt: null, holdExpiresAt: ago(200) }
const paid = { payment: 'captured', paymentStatus: 'paid', paymentIntentId: 'pi_1', capturedMinor: 15_000 } as const
const confirmed: ReservationFacts = { ...held, ...atRest, ...paid, status: 'confirmed', seats: 'booked' }
const expired: ReservationFacts = { ...held, ...atRest, status: 'expired', seats: 'released' }
const expiredPaid: ReservationFacts = { ...expired, ...paid }

const seats = (state: AllocationFacts['state'], changes: Partial<AllocationFacts> = {}): AllocationFacts => ({
  reservationId: id,
  state,
  timeSlotId: slot,
  guests: 2,
  slotExists: true,
  auditAt: ago(-600),
  ...changes,
})
const captured: IntentFacts = {
  id: 'pi_1',
  status: 'succeeded',
  amountReceivedMinor: 15_000,
  currency: 'usd',
  capturedAt: ago(300),
  mismatch: null,
  refundCause: null,
  updatedAt: ago(300),
  refunds: [],
}
const waiting: IntentFacts = {
  ...captured,
  status: 'requires_payment_method',
  amountReceivedMinor: 0,
  capturedAt: null,
}
const refund = (changes: Partial<RefundFacts> = {}): RefundFacts => ({
  id: 're_1',
  paymentIntentId: 'pi_1',
  cause: 'late',
  amountMinor: 15_000,
  status: 'succeeded',
  createdAt: ago(200),
  ...changes,
})
const told = { refunds: [{ refundId: 're_1', paymentIntentId: 'pi_1' }] }
const payment = (intents: IntentFacts[], changes: Partial<PaymentFacts> = {}): PaymentFacts => ({
  reservationId: id,
  state: 'open',
  closeAt: null,
  createdAt: ago(400),
  intents,
  ...changes,
})

type Facts = Partial<Pick<Booking, 'reservation' | 'allocation' | 'payment'>>
const found = (facts: Facts) => {
  const booking = { id, now, reservation: undefined, allocation: undefined, payment: undefined, ...facts }
  return judge(booking).map(({ kind, standing }) => `${standing}: ${kind}`)
}

describe('nothing is wrong with', () => {
  test.each<[string, Facts]>([
    ['a hold', { reservation: held, allocation: seats('held') }],
    [
      'a pending reservation whose guest is paying',
      {
        reservation: { ...held, status: 'pending', payment: 'open', paymentIntentId: 'pi_1' },
        allocation: seats('held'),
        payment: payment([waiting]),
      },
    ],
    ['a paid one', { reservation: confirmed, allocation: seats('booked'), payment: payment([captured]) }],
    [
      'one that was free of charge',
      {
        reservation: { ...confirmed, payment: 'none', paymentIntentId: null, capturedMinor: null, totalPrice: 0 },
        allocation: seats('booked'),
      },
    ],
    ['an expired one', { reservation: expired, allocation: seats('released') }],
    ['an expired one that inventory never heard of', { reservation: expired }],
    [
      'one paid too late and given back',
      {
        reservation: { ...expiredPaid, ...told, paymentStatus: 'refunded' },
        allocation: seats('released'),
        payment: payment([{ ...captured, refundCause: 'late', refunds: [refund()] }], { state: 'closed' }),
      },
    ],
    [
      'one paid twice, the second one given back',
      {
        reservation: { ...confirmed, refunds: [{ refundId: 're_1', paymentIntentId: 'pi_2' }] },
        allocation: seats('booked'),
        payment: payment([
          captured,
          { ...captured, id: 'pi_2', refundCause: 'duplicate', refunds: [refund({ paymentIntentId: 'pi_2' })] },
        ]),
      },
    ],
    [
      'a refund by hand of a confirmed one',
      {
        reservation: { ...confirmed, ...told },
        allocation: seats('booked'),
        payment: payment([{ ...captured, refunds: [refund({ cause: 'external', amountMinor: 5_000 })] }]),
      },
    ],
    ['seats given back that no reservation ever had', { allocation: seats('released') }],
  ])('%s', (_what, facts) => {
    expect(found(facts)).toEqual([])
  })
})

describe('only on its way', () => {
  const justNow = { movedAt: ago(3), wakeAt: ago(-27) }
  test.each<[string, Facts, string[]]>([
    [
      'confirmed, inventory has not answered yet',
      {
        reservation: { ...confirmed, ...justNow, seats: 'confirming' },
        allocation: seats('held'),
        payment: payment([captured]),
      },
      ['moving: unanswered'],
    ],
    [
      'released a moment ago',
      { reservation: { ...expired, ...justNow, seats: 'releasing' }, allocation: seats('held') },
      ['moving: unanswered'],
    ],
    [
      'over since a moment',
      { reservation: { ...held, ...justNow, holdExpiresAt: ago(1) }, allocation: seats('held') },
      ['moving: not-ended'],
    ],
    [
      'captured a moment ago',
      {
        reservation: { ...held, status: 'pending', payment: 'open', paymentIntentId: 'pi_1' },
        allocation: seats('held'),
        payment: payment([{ ...captured, capturedAt: ago(1) }]),
      },
      ['moving: capture-untold'],
    ],
    [
      'paid too late, the seats are being taken again',
      {
        reservation: { ...expiredPaid, ...justNow, seats: 'reacquiring' },
        allocation: seats('released'),
        payment: payment([captured]),
      },
      ['moving: unanswered'],
    ],
    [
      'paid too late, to be given back',
      {
        reservation: { ...expiredPaid, ...justNow, refundsDue: [{ paymentIntentId: 'pi_1' }] },
        allocation: seats('released'),
        payment: payment([captured]),
      },
      ['moving: money-without-seat', 'moving: unanswered'],
    ],
    [
      'seats whose hold never came to be, before the audit',
      { allocation: seats('held', { auditAt: ago(30) }) },
      ['moving: seats-without-reservation'],
    ],
    [
      'ended while Stripe does not say whether it was paid',
      {
        reservation: { ...expired, payment: 'closing', wakeAt: ago(-100), movedAt: ago(5_000) },
        allocation: seats('released'),
        payment: payment([waiting], { state: 'closing', closeAt: ago(-1) }),
      },
      ['moving: unanswered'],
    ],
  ])('%s', (_what, facts, findings) => {
    expect(found(facts)).toEqual(findings)
  })
})

describe('drift', () => {
  const paidFor = payment([captured])
  test.each<[string, Facts, string[]]>([
    [
      'confirmed, and the seats were let go',
      { reservation: confirmed, allocation: seats('released'), payment: paidFor },
      ['drift: seats'],
    ],
    [
      'confirmed, and the seats are only held',
      { reservation: confirmed, allocation: seats('held'), payment: paidFor },
      ['drift: seats'],
    ],
    ['confirmed, and inventory knows nothing', { reservation: confirmed, payment: paidFor }, ['drift: seats']],
    ['held, and the seats were let go', { reservation: held, allocation: seats('released') }, ['drift: seats']],
    ['expired, and the seats are still held', { reservation: expired, allocation: seats('held') }, ['drift: seats']],
    ['expired, and the seats are booked', { reservation: expired, allocation: seats('booked') }, ['drift: seats']],
    [
      'fewer seats than guests',
      { reservation: held, allocation: seats('held', { guests: 1 }) },
      ['drift: other-seats'],
    ],
    [
      'seats of another slot',
      { reservation: held, allocation: seats('held', { timeSlotId: id }) },
      ['drift: other-seats'],
    ],
    [
      'seats of a slot that is not there',
      { reservation: held, allocation: seats('held', { slotExists: false }) },
      ['drift: slot-missing'],
    ],
    ['booked seats of nobody', { allocation: seats('booked') }, ['drift: seats-without-reservation']],
    [
      'held seats of nobody that the audit overlooked',
      { allocation: seats('held', { auditAt: ago(500) }) },
      ['drift: seats-without-reservation'],
    ],
    [
      'confirmed without money',
      { reservation: confirmed, allocation: seats('booked'), payment: payment([]) },
      ['drift: unpaid'],
    ],
    [
      'confirmed without a payment',
      { reservation: confirmed, allocation: seats('booked') },
      ['drift: payment-missing', 'drift: unpaid'],
    ],
    [
      'confirmed for another amount',
      {
        reservation: confirmed,
        allocation: seats('booked'),
        payment: payment([{ ...captured, amountReceivedMinor: 14_999 }]),
      },
      ['drift: amount'],
    ],
    [
      'confirmed, and its money given back by us',
      {
        reservation: { ...confirmed, ...told },
        allocation: seats('booked'),
        payment: payment([{ ...captured, refundCause: 'late', refunds: [refund()] }]),
      },
      ['drift: confirmed-and-refunded'],
    ],
    [
      'paid twice, and nobody gave the second one back',
      {
        reservation: confirmed,
        allocation: seats('booked'),
        payment: payment([captured, { ...captured, id: 'pi_2' }]),
      },
      ['drift: capture-untold'],
    ],
    [
      'given back twice',
      {
        reservation: {
          ...expiredPaid,
          refunds: [...told.refunds, { refundId: 're_2', paymentIntentId: 'pi_1' }],
        },
        allocation: seats('released'),
        payment: payment([{ ...captured, refundCause: 'late', refunds: [refund(), refund({ id: 're_2' })] }]),
      },
      ['drift: refunded-twice'],
    ],
    [
      'captured, expired, and not given back',
      { reservation: expiredPaid, allocation: seats('released'), payment: paidFor },
      ['drift: money-without-seat'],
    ],
    [
      'captured, and given back in part only',
      {
        reservation: { ...expiredPaid, ...told },
        allocation: seats('released'),
        payment: payment([{ ...captured, refundCause: 'late', refunds: [refund({ amountMinor: 100 })] }]),
      },
      ['drift: money-without-seat'],
    ],
    [
      'a refund that failed gave nothing back',
      {
        reservation: { ...expiredPaid, ...told },
        allocation: seats('released'),
        payment: payment([{ ...captured, refundCause: 'late', refunds: [refund({ status: 'failed' })] }]),
      },
      ['drift: money-without-seat'],
    ],
    [
      'captured, and the reservation never heard of it',
      {
        reservation: { ...held, status: 'pending', payment: 'open', paymentIntentId: 'pi_1' },
        allocation: seats('held'),
        payment: paidFor,
      },
      ['drift: capture-untold'],
    ],
    [
      'paid otherwise than asked, and kept',
      {
        reservation: expired,
        allocation: seats('released'),
        payment: payment([{ ...captured, capturedAt: null, mismatch: 'amount' }], { state: 'closed' }),
      },
      ['drift: mismatch'],
    ],
    [
      'paid otherwise than asked, and given back',
      {
        reservation: { ...expired, refunds: [{ refundId: 're_1', paymentIntentId: 'pi_1' }] },
        allocation: seats('released'),
        payment: payment(
          [{ ...captured, capturedAt: null, mismatch: 'amount', refunds: [refund({ cause: 'mismatch' })] }],
          {
            state: 'closed',
          },
        ),
      },
      ['note: mismatch'],
    ],
    [
      'given back, and the guest was not told',
      {
        reservation: confirmed,
        allocation: seats('booked'),
        payment: payment([{ ...captured, refunds: [refund({ cause: 'external', amountMinor: 1 })] }]),
      },
      ['drift: refund-untold'],
    ],
    ['money of nobody', { payment: paidFor }, ['drift: payment-without-reservation', 'drift: capture-untold']],
    [
      'expired, and can still be paid',
      {
        reservation: { ...expired, payment: 'closed' },
        allocation: seats('released'),
        payment: payment([waiting], { state: 'closed' }),
      },
      ['drift: payable'],
    ],
    [
      'a payment that nobody goes on closing',
      {
        reservation: { ...expired, payment: 'closing', wakeAt: ago(-100) },
        allocation: seats('released'),
        payment: payment([waiting], { state: 'closing', closeAt: ago(90) }),
      },
      ['drift: closing-overdue', 'moving: unanswered'],
    ],
    [
      'held, and nobody will look',
      { reservation: { ...held, wakeAt: null }, allocation: seats('held') },
      ['drift: asleep'],
    ],
    [
      'held, and nobody has looked',
      { reservation: { ...held, wakeAt: ago(61) }, allocation: seats('held') },
      ['drift: overdue'],
    ],
    [
      'held past its time, however often it is looked at',
      { reservation: { ...held, holdExpiresAt: ago(61), wakeAt: ago(-4) }, allocation: seats('held') },
      ['drift: not-ended'],
    ],
    [
      'pending past its time and Stripe’s',
      {
        reservation: {
          ...held,
          status: 'pending',
          payment: 'closing',
          paymentIntentId: 'pi_1',
          holdExpiresAt: ago(181),
          wakeAt: ago(-4),
        },
        allocation: seats('held'),
        payment: payment([waiting], { state: 'closing', closeAt: ago(-1) }),
      },
      ['drift: not-ended', 'drift: unanswered'],
    ],
    [
      'confirmed, and inventory does not answer',
      {
        reservation: { ...confirmed, seats: 'confirming', wakeAt: ago(-20), movedAt: ago(121) },
        allocation: seats('held'),
        payment: paidFor,
      },
      ['drift: unanswered'],
    ],
  ])('%s', (_what, facts, findings) => {
    expect(found(facts)).toEqual(findings)
  })
})
