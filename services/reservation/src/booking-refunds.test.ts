import { describe, expect, test } from '@jest/globals'
import { after, capture, closeDeadlineMs, confirmed, due, expired, held, pending, refunded } from './booking.fixture.ts'
import { outstanding } from './booking-commands.ts'
import { whenPaymentRefunded, whenRefundFailed } from './booking-refunds.ts'
import { whenDue, whenPaymentCaptured, whenReleased, whenSeatsRefused, whenSeatsReleased } from './booking-saga.ts'
import { start } from './reservation.fixture.ts'
import { type Reservation, refundsMade } from './reservation.ts'

test('a payment refunded in part and then in full says so, and the reservation keeps its seats', () => {
  const part = after(confirmed, (r) => whenPaymentRefunded(r, refunded('pi_1', 'external', 5_000)))
  expect(part).toMatchObject({ status: 'confirmed', paymentStatus: 'partially_refunded' })
  const full = after(part, (r) => whenPaymentRefunded(r, refunded('pi_1', 'external', 10_000, 15_000)))
  expect(full).toMatchObject({ status: 'confirmed', paymentStatus: 'refunded', seats: 'confirming' })
})

test('a refund that is heard of before its payment counts all the same', () => {
  const early = after(pending, (r) => whenPaymentRefunded(r, refunded('pi_1', 'external')))
  expect(early.paymentStatus).toBe('unpaid')
  const paid = after(early, (r) => whenPaymentCaptured(r, capture(), 'ABC123DEF456'))
  expect(paid).toMatchObject({ status: 'confirmed', paymentStatus: 'refunded' })
})

test('money that someone gave back in the dashboard does not wait for our own refund any more', () => {
  const twice = after(confirmed, (r) => whenPaymentCaptured(r, capture('pi_2'), 'X'))
  const step = whenPaymentRefunded(twice, refunded('pi_2', 'external'))
  expect(step.reservation).toMatchObject({
    refundsDue: [],
    outcome: 'duplicate_payment_refunded',
    paymentStatus: 'paid',
  })
})

test('a part that someone gave back in the dashboard does not settle what we owe', () => {
  const twice = after(confirmed, (r) => whenPaymentCaptured(r, capture('pi_2'), 'X'))
  const step = whenPaymentRefunded(twice, refunded('pi_2', 'external', 4_000))
  expect(step.reservation).toMatchObject({
    refundsDue: [{ paymentIntentId: 'pi_2', reason: 'duplicate' }],
    ...{ outcome: null, paymentStatus: 'paid' },
  })
})

describe('a refund that the bank sends back', () => {
  const paidTwice = after(confirmed, (r) => whenPaymentCaptured(r, capture('pi_2'), 'X'))
  const once = refunded('pi_2', 'duplicate')

  test('is owed again, until another one is made', () => {
    const failed = after(
      paidTwice,
      (r) => whenPaymentRefunded(r, once),
      (r) => whenRefundFailed(r, once),
    )
    expect(failed).toMatchObject({
      status: 'confirmed',
      paymentStatus: 'paid',
      outcome: null,
      refundsDue: [{ paymentIntentId: 'pi_2', reason: 'duplicate' }],
    })
    expect(refundsMade(failed.refunds)).toEqual([])
    const again = { ...once, refund: { ...once.refund, refundId: 're_again' } }
    const settled = after(failed, (r) => whenPaymentRefunded(r, again))
    expect(settled).toMatchObject({ outcome: 'duplicate_payment_refunded', refundsDue: [] })
    expect(refundsMade(settled.refunds).map(({ refundId }) => refundId)).toEqual(['re_again'])
  })

  test('is not counted when the news that it was made comes after that it failed', () => {
    const failed = after(
      paidTwice,
      (r) => whenRefundFailed(r, once),
      (r) => whenPaymentRefunded(r, once),
    )
    expect(failed).toMatchObject({ outcome: null, refundsDue: [{ paymentIntentId: 'pi_2', reason: 'duplicate' }] })
    expect(whenRefundFailed(failed, once).reservation).toBe(failed)
  })

  test('of somebody else is owed by us, where there are no seats for the money', () => {
    const external = refunded('pi_1', 'external')
    const seatless = after(
      expired,
      (r) => whenPaymentCaptured(r, capture(), 'X'),
      (r) => whenPaymentRefunded(r, external),
      whenSeatsRefused,
    )
    expect(seatless).toMatchObject({ refundsDue: [], outcome: 'late_payment_refunded' })
    expect(after(seatless, (r) => whenRefundFailed(r, external))).toMatchObject({
      ...{ status: 'expired', paymentStatus: 'paid', outcome: null },
      refundsDue: [{ paymentIntentId: 'pi_1', reason: 'late' }],
    })
  })

  test('changes nothing of what is told when another one was heard of before', () => {
    const again = { ...once, refund: { ...once.refund, refundId: 're_again' } }
    const told = after(
      paidTwice,
      (r) => whenPaymentRefunded(r, once),
      (r) => whenPaymentRefunded(r, again),
      (r) => whenRefundFailed(r, once),
    )
    expect(told).toMatchObject({ outcome: 'duplicate_payment_refunded', refundsDue: [] })
    expect(refundsMade(told.refunds).map(({ refundId }) => refundId)).toEqual(['re_again'])
  })

  test('of somebody else is not told as given back, and owed by us once its payment is heard of again', () => {
    const external = refunded('pi_2', 'external')
    const failed = after(
      paidTwice,
      (r) => whenPaymentRefunded(r, external),
      (r) => whenRefundFailed(r, external),
    )
    expect(failed).toMatchObject({
      ...{ status: 'confirmed', paymentStatus: 'paid', outcome: null, refundsDue: [] },
    })
    const owed = whenPaymentCaptured(failed, capture('pi_2'), 'X').reservation
    expect(owed.refundsDue).toEqual([{ paymentIntentId: 'pi_2', reason: 'duplicate' }])
  })

  test('of somebody else, for a payment that was not heard of yet, is left to that payment', () => {
    const external = refunded('pi_1', 'external')
    const failed = after(
      pending,
      (r) => whenPaymentRefunded(r, external),
      (r) => whenRefundFailed(r, external),
    )
    expect(failed).toMatchObject({ status: 'pending', refundsDue: [] })
    expect(whenPaymentCaptured(failed, capture(), 'R').reservation).toMatchObject({
      ...{ status: 'confirmed', paymentStatus: 'paid', refundsDue: [] },
    })
  })

  test('of somebody else is owed by nobody while there are seats; the payment is paid again', () => {
    const external = refunded('pi_1', 'external')
    const failed = after(
      confirmed,
      (r) => whenPaymentRefunded(r, external),
      (r) => whenRefundFailed(r, external),
    )
    expect(failed).toMatchObject({ paymentStatus: 'paid', outcome: null, refundsDue: [] })
  })
})

test('a late payment that somebody has given back in full already takes no seats again', () => {
  const external = refunded('pi_1', 'external')
  const late = (r: Reservation) => whenPaymentCaptured(r, capture(), 'X')
  const gone = { status: 'expired', seats: 'released', paymentStatus: 'refunded', outcome: 'late_payment_refunded' }
  const releasing = after(held, (r) => whenDue(r, due, closeDeadlineMs))
  expect(after(expired, (r) => whenPaymentRefunded(r, external), late)).toMatchObject(gone)
  expect(after(releasing, late, (r) => whenPaymentRefunded(r, external), whenSeatsReleased)).toMatchObject(gone)
})

test('seats are refused after all of the money went back: nothing is due any more', () => {
  const late = after(expired, (r) => whenPaymentCaptured(r, capture(), 'R'))
  const returned = after(late, (r) => whenPaymentRefunded(r, refunded('pi_1', 'external')))
  const step = whenSeatsRefused(returned)
  expect(step.reservation).toMatchObject({ refundsDue: [], outcome: 'late_payment_refunded' })
  expect(outstanding(step.reservation)).toEqual([])
})

test('a part that someone gave back does not keep the rest from going back', () => {
  const cancelled = after(held, (r) => whenReleased(r, start), whenSeatsReleased)
  const part = after(cancelled, (r) => whenPaymentRefunded(r, refunded('pi_1', 'external', 4_000)))
  const step = whenPaymentCaptured(part, capture(), 'R')
  expect(step.reservation.refundsDue).toEqual([{ paymentIntentId: 'pi_1', reason: 'late' }])
})
