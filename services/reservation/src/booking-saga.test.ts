import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  after,
  capture,
  closeDeadlineMs,
  confirmed,
  due,
  expired,
  held,
  opened,
  opening,
  pending,
  refunded,
  told,
} from './booking.fixture.ts'
import { newlyOutstanding, outstanding } from './booking-commands.ts'
import { whenPaymentRefunded, whenRefundFailed } from './booking-refunds.ts'
import {
  whenConversionStarted,
  whenDue,
  whenFreeOfCharge,
  whenPaymentCaptured,
  whenPaymentClosed,
  whenPaymentDeclined,
  whenPaymentOpened,
  whenPaymentProgressed,
  whenReleased,
  whenSeatsConfirmed,
  whenSeatsReacquired,
  whenSeatsRefused,
  whenSeatsReleased,
} from './booking-saga.ts'
import { at, start } from './reservation.fixture.ts'
import { isOpen, isOver, mayFollow, type Reservation, refundsMade, seenAt } from './reservation.ts'

describe('a hold', () => {
  test('that nobody converts expires at its time and gives its seats back', () => {
    const step = whenDue(held, due, closeDeadlineMs)
    expect(step.reservation).toMatchObject({ status: 'expired', seats: 'releasing' })
    expect(told(held, step)).toEqual(['inventory.release-seats'])
  })

  test('woken a millisecond too early stays as it is', () => {
    const step = whenDue(held, new Date(due.getTime() - 1), closeDeadlineMs)
    expect(step.reservation).toBe(held)
  })

  test('that is given back is cancelled at once', () => {
    const step = whenReleased(held, start)
    expect(step.reservation).toMatchObject({ status: 'cancelled', seats: 'releasing' })
  })

  test('that costs nothing is confirmed by its conversion', () => {
    const free = { ...held, totalPrice: 0 }
    const step = whenFreeOfCharge(free, 'ABC123DEF456')
    expect(step.reservation).toMatchObject({ status: 'confirmed', paymentStatus: 'paid', paymentIntentId: null })
    expect(told(free, step)).toEqual(['inventory.confirm-seats'])
  })

  test('whose conversion was started reads as held until payment has answered', () => {
    expect(opening).toMatchObject({ status: 'held', payment: 'opening', attempt: 1 })
  })
})

describe('a payment', () => {
  test('in time confirms the reservation and its seats', () => {
    const step = whenPaymentCaptured(pending, capture(), 'ABC123DEF456')
    expect(step.reservation).toMatchObject({
      status: 'confirmed',
      paymentStatus: 'paid',
      seats: 'confirming',
      reservationReference: 'ABC123DEF456',
    })
    expect(told(pending, step)).toEqual(['inventory.confirm-seats'])
    expect(whenSeatsConfirmed(step.reservation).reservation.seats).toBe('booked')
  })

  test('that is heard of before the conversion was answered confirms all the same', () => {
    const step = whenPaymentCaptured(opening, capture(), 'ABC123DEF456')
    expect(step.reservation.status).toBe('confirmed')
    const late = whenPaymentOpened(step.reservation, opened)
    expect(late.reservation).toBe(step.reservation)
  })

  test('heard of twice confirms once', () => {
    expect(whenPaymentCaptured(confirmed, capture(), 'ZZZZZZZZZZZZ').reservation).toBe(confirmed)
  })

  test('that was declined keeps the hold and its timer', () => {
    const step = whenPaymentDeclined(opening, { paymentIntentId: 'pi_1', declineCode: 'generic_decline', revision: 1 })
    expect(step.reservation).toMatchObject({ status: 'pending', paymentStatus: 'failed', holdExpiresAt: due })
  })

  test('that failed never moves a paid one back', () => {
    const late = {
      reservationId: held.id,
      paymentIntentId: 'pi_1',
      status: 'failed',
      declineCode: null,
      revision: 9,
    } as const
    expect(whenPaymentProgressed(confirmed, late).reservation).toBe(confirmed)
  })

  test('progress that is older than what is known says nothing new', () => {
    const known = after(pending, (r) =>
      whenPaymentProgressed(r, {
        reservationId: r.id,
        paymentIntentId: 'pi_1',
        status: 'requires_action',
        declineCode: null,
        revision: 3,
      }),
    )
    const older = {
      reservationId: held.id,
      paymentIntentId: 'pi_1',
      status: 'failed',
      declineCode: null,
      revision: 2,
    } as const
    expect(whenPaymentProgressed(known, older).reservation).toBe(known)
  })

  test('with a second intent is returned, once', () => {
    const step = whenPaymentCaptured(confirmed, capture('pi_2'), 'X')
    expect(step.reservation.status).toBe('confirmed')
    expect(step.reservation.refundsDue).toEqual([{ paymentIntentId: 'pi_2', reason: 'duplicate' }])
    expect(told(confirmed, step)).toEqual(['payment.refund'])
    const done = after(step.reservation, (r) => whenPaymentRefunded(r, refunded('pi_2', 'duplicate')))
    expect(done).toMatchObject({ outcome: 'duplicate_payment_refunded', paymentStatus: 'paid', refundsDue: [] })
    expect(whenPaymentCaptured(done, capture('pi_2'), 'X').reservation).toBe(done)
  })
})

describe('the fence', () => {
  const closing = after(pending, (r) => whenDue(r, due, closeDeadlineMs))

  test('closes the payment before it gives the seats away', () => {
    expect(closing).toMatchObject({ status: 'pending', seats: 'held', payment: 'closing' })
    expect(newlyOutstanding(pending, closing).map((m) => m.definition.name)).toEqual(['payment.close'])
  })

  test('lets the hold expire once nothing can be paid any more', () => {
    const step = whenPaymentClosed(closing)
    expect(step.reservation).toMatchObject({ status: 'expired', payment: 'closed', seats: 'releasing' })
  })

  test('confirms when the payment was faster', () => {
    expect(whenPaymentCaptured(closing, capture(), 'R').reservation.status).toBe('confirmed')
  })

  test('gives up when Stripe stays silent, and goes on closing', () => {
    const early = whenDue(closing, new Date(due.getTime() + closeDeadlineMs - 1), closeDeadlineMs)
    expect(early.reservation).toBe(closing)
    const step = whenDue(closing, new Date(due.getTime() + closeDeadlineMs), closeDeadlineMs)
    expect(step.reservation).toMatchObject({ status: 'expired', seats: 'releasing', payment: 'closing' })
    expect(outstanding(step.reservation).map((m) => m.definition.name)).toEqual([
      'inventory.release-seats',
      'payment.close',
    ])
  })

  test('ends a hold that was given back as cancelled, or as confirmed when it was paid', () => {
    const releasing = after(pending, (r) => whenReleased(r, start))
    expect(whenPaymentClosed(releasing).reservation.status).toBe('cancelled')
    expect(whenPaymentCaptured(releasing, capture(), 'R').reservation.status).toBe('confirmed')
  })

  test('also closes a conversion that payment never answered', () => {
    expect(after(opening, (r) => whenDue(r, due, closeDeadlineMs)).payment).toBe('closing')
  })
})

describe('a late payment', () => {
  const late = after(expired, (r) => whenPaymentCaptured(r, capture(), 'R'))

  test('takes the seats again if they are still free', () => {
    expect(late).toMatchObject({ status: 'expired', seats: 'reacquiring' })
    const step = whenSeatsReacquired(late, 'ABC123DEF456')
    expect(step.reservation).toMatchObject({
      status: 'confirmed',
      seats: 'booked',
      paymentStatus: 'paid',
      outcome: 'late_payment_confirmed',
    })
  })

  test('goes back when they are gone', () => {
    const step = whenSeatsRefused(late)
    expect(told(late, step)).toEqual(['payment.refund'])
    const done = after(step.reservation, (r) => whenPaymentRefunded(r, refunded('pi_1', 'late')))
    expect(done).toMatchObject({ status: 'expired', paymentStatus: 'refunded', outcome: 'late_payment_refunded' })
    expect(outstanding(done)).toEqual([])
  })

  test('waits for seats that are just being given back', () => {
    const releasing = after(held, (r) => whenDue(r, due, closeDeadlineMs))
    const paid = after(releasing, (r) => whenPaymentCaptured(r, capture(), 'R'))
    expect(paid.seats).toBe('releasing')
    expect(whenSeatsReleased(paid).reservation.seats).toBe('reacquiring')
  })

  test('for a hold that was given back is returned', () => {
    const cancelled = after(held, (r) => whenReleased(r, start), whenSeatsReleased)
    const step = whenPaymentCaptured(cancelled, capture(), 'R')
    expect(step.reservation).toMatchObject({ status: 'cancelled', seats: 'released' })
    expect(told(cancelled, step)).toEqual(['payment.refund'])
  })
})

describe('what should never happen, and is answered all the same', () => {
  test('inventory has lost the seats of a confirmed reservation: the money goes back', () => {
    const step = whenSeatsRefused(confirmed)
    expect(step.reservation).toMatchObject({ status: 'expired', seats: 'released', reservationReference: null })
    expect(told(confirmed, step)).toEqual(['payment.refund'])
  })

  test('a decline that comes late does not overwrite what is newer', () => {
    const known = after(pending, (r) =>
      whenPaymentOpened(r, { ...opened, stripeStatus: 'requires_action', revision: 5 }),
    )
    const late = whenPaymentDeclined(known, { paymentIntentId: 'pi_0', declineCode: 'x', revision: 3 })
    expect(late.reservation).toMatchObject({
      paymentStatus: 'requires_action',
      paymentIntentId: 'pi_1',
      paymentRevision: 5,
    })
  })
})

describe('a reader', () => {
  test('sees a hold as expired from its very moment', () => {
    expect(seenAt(held, new Date(due.getTime() - 1)).status).toBe('held')
    expect(seenAt(held, due).status).toBe('expired')
  })

  test('sees a payment under way as processing until the fence has decided', () => {
    expect(seenAt(pending, due)).toEqual({ status: 'pending', paymentStatus: 'processing' })
    expect(seenAt(opening, due)).toEqual({ status: 'pending', paymentStatus: 'processing' })
  })
})

/** Anything that may happen to a reservation, in any order and as often as it likes. */
const anything = fc.oneof(
  fc.constant((r: Reservation) => (isConvertible(r) ? whenConversionStarted(r, start) : { reservation: r })),
  fc
    .constantFrom('pi_1', 'pi_2')
    .map((paymentIntentId) => (r: Reservation) => whenPaymentOpened(r, { ...opened, paymentIntentId })),
  fc.constant((r: Reservation) => whenPaymentDeclined(r, { paymentIntentId: 'pi_1', declineCode: 'x', revision: 2 })),
  fc
    .constantFrom('pi_1', 'pi_2')
    .map((intent) => (r: Reservation) => whenPaymentCaptured(r, capture(intent), 'ABC123DEF456')),
  fc.constant((r: Reservation) => (isOpen(r) ? whenReleased(r, start) : { reservation: r })),
  fc.constantFrom(0, 900, 5_000).map((s) => (r: Reservation) => whenDue(r, at(s), closeDeadlineMs)),
  fc.constant(whenPaymentClosed),
  fc.constant(whenSeatsConfirmed),
  fc.constant(whenSeatsReleased),
  fc.constant((r: Reservation) => whenSeatsReacquired(r, 'ABC123DEF456')),
  fc.constant(whenSeatsRefused),
  fc.constantFrom('pi_1', 'pi_2').map((intent) => (r: Reservation) => {
    const asked = r.refundsDue.find((known) => known.paymentIntentId === intent)
    const round = r.refunds.length
    return asked ? whenPaymentRefunded(r, refunded(intent, asked.reason, 15_000, 15_000 + round)) : { reservation: r }
  }),
  fc.nat({ max: 3 }).map((n) => (r: Reservation) => {
    const made = refundsMade(r.refunds)[n]
    return made ? whenRefundFailed(r, { ...refunded(made.paymentIntentId, 'late'), refund: made }) : { reservation: r }
  }),
)
const isConvertible = (r: Reservation) => isOpen(r) && r.payment !== 'closing' && !isOver(r, start)

test('whatever happens in whatever order, seats and money stay together', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 30 }), (events) => {
      const captured = new Set<string>()
      let r = held
      for (const happen of events) {
        const before = r
        const step = happen(r)
        r = step.reservation
        if (step.event?.startsWith('payment_captured')) captured.add(String(step.details?.paymentIntentId))
        expect(mayFollow(before.status, r.status)).toBe(true)
        expect(r.status === 'confirmed').toBe(r.reservationReference !== null)
        expect(r.status === 'confirmed').toBe(r.seats === 'confirming' || r.seats === 'booked')
        // Every capture is the money of confirmed seats, waits for seats, is being returned, or was returned; never two of them.
        for (const intent of captured) {
          const pays = r.status === 'confirmed' && r.paymentIntentId === intent
          const waits =
            r.paymentIntentId === intent &&
            r.status === 'expired' &&
            (r.seats === 'releasing' || r.seats === 'reacquiring')
          const returning = r.refundsDue.filter((known) => known.paymentIntentId === intent).length
          const returned = refundsMade(r.refunds).filter((known) => known.paymentIntentId === intent).length
          expect([pays, waits, returning, returned].reduce<number>((sum, fate) => sum + Number(fate), 0)).toBe(1)
        }
        expect(newlyOutstanding(before, r).length).toBeLessThanOrEqual(2)
      }
    }),
    { numRuns: 1_000 },
  )
})
