import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { expectError } from '../support/errors.ts'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  type Offer,
  readReservation,
  readSlot,
  untilSeats,
  untilStatus,
} from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

const total = 20_000

/** Money that does not simply pay for its seats ends in a confirmed reservation, or in exactly one refund. */
export function money(stack: TestStack): void {
  let guest: string
  beforeEach(() => {
    guest = aUser()
  })
  afterEach(() => stack.emulator.reset())

  const statusOf = async (id: string) =>
    (await stack.api.ok(reservations.getPaymentStatus, { as: guest, params: { id } })).data
  const timelineOf = async (id: string) =>
    (await stack.api.ok(reservations.getTimeline, { as: guest, params: { id } })).timeline
  const refundsOf = async (payment_intent: string) =>
    (await stack.emulator.stripe.refunds.list({ payment_intent })).data.map(({ id, amount }) => ({ id, amount }))
  const confirm = (reservationId: string, paymentIntentId: string) =>
    stack.api.call(reservations.confirmReservation, { as: guest, body: { reservationId, paymentIntentId } })
  const untilOutcome = (id: string, outcome: string) =>
    eventually(`${id} is ${outcome}`, async () => {
      const status = await statusOf(id)
      return status.outcome === outcome && status
    })

  /** Stripe takes so long over cancelling that the seats are given back meanwhile, and the intent can still be paid. */
  const cancellingHangs = () =>
    stack.emulator.fault({ operation: 'payment_intents.cancel', times: 100, fault: 'delay', delayMs: 6_000 })

  /** All of it went back, in one refund, which the guest sees in the status and in the timeline. */
  async function expectRefundedOnce(id: string, intentId: string, amount: number): Promise<void> {
    const [refund, ...others] = await refundsOf(intentId)
    expect(others).toEqual([])
    expect(refund?.amount).toBe(amount)
    const { refunds, amountRefunded } = await statusOf(id)
    expect(refunds).toEqual([
      { refundId: refund?.id, amount, reason: expect.any(String), createdAt: expect.stringMatching(/Z$/) },
    ])
    expect(amountRefunded).toBe(amount)
    const told = (await timelineOf(id)).filter(({ type }) => type === 'payment_refunded')
    expect(told).toMatchObject([{ details: { refundId: refund?.id, amount } }])
    const asked = (await stack.emulator.requests()).filter(
      ({ operation, params }) => operation === 'refunds.create' && params.payment_intent === intentId,
    )
    expect(new Set(asked.map(({ idempotencyKey }) => idempotencyKey)).size).toBeLessThanOrEqual(1)
    const charges = await stack.emulator.stripe.charges.list({ payment_intent: intentId })
    expect(charges.data.reduce((sum, charge) => sum + charge.amount_refunded, 0)).toBe(amount)
  }

  describe('a payment that comes when the hold is over', () => {
    let offer: Offer
    beforeEach(async () => {
      offer = await anOffer(stack, { experience: { holdSeconds: 2 }, slot: { capacity: 2 } })
    })

    async function anExpiredOneThatCanBePaid() {
      await cancellingHangs()
      const pending = await aPendingReservation(stack, guest, offer)
      await untilStatus(stack, guest, pending.id, 'expired', 15_000)
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
      return pending
    }
    const pay = (clientSecret: string) => stack.stripeJs.confirmCardPayment(clientSecret, cards.success)

    test('or may still come: until that is decided it reads as pending and processing, and keeps its seats', async () => {
      await cancellingHangs()
      const pending = await aPendingReservation(stack, guest, offer)
      const over = await eventually('its time is over', async () => {
        const reservation = await readReservation(stack, guest, pending.id)
        return reservation.paymentStatus !== 'unpaid' && reservation
      })
      expect(over).toMatchObject({ status: 'pending', paymentStatus: 'processing' })
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(over.holdExpiresAt) - 50)
      const convert = { as: guest, body: { holdId: pending.id } }
      expectError(await stack.api.call(reservations.convertHold, convert), 'HOLD_EXPIRED')
      expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 2, available: 0 })
      await untilStatus(stack, guest, pending.id, 'expired')
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
    })

    test('finds its seats still free: they are taken again at the held price', async () => {
      const pending = await anExpiredOneThatCanBePaid()
      expect((await pay(pending.clientSecret)).status).toBe('succeeded')
      const status = await untilOutcome(pending.id, 'late_payment_confirmed')
      expect(status).toMatchObject({ reservationStatus: 'confirmed', paymentStatus: 'paid', refunds: [] })
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
      expect(await readReservation(stack, guest, pending.id)).toMatchObject({
        ...{ status: 'confirmed', totalPrice: total, reservationReference: expect.stringMatching(/^[A-Z0-9]{12}$/) },
      })
      expect((await confirm(pending.id, pending.paymentIntentId)).status).toBe(200)
      expect(await refundsOf(pending.paymentIntentId)).toEqual([])
    })

    test('is not called off as long as it can still be paid, though its seats are given back', async () => {
      const pending = await anExpiredOneThatCanBePaid()
      const key = randomUUID()
      const body = { reservationId: pending.id, paymentIntentId: pending.paymentIntentId }
      const confirmOnce = () => stack.api.call(reservations.confirmReservation, { as: guest, body, key })
      expectError(await confirmOnce(), 'SERVICE_UNAVAILABLE')
      await pay(pending.clientSecret)
      await eventually('the same request is confirmed', async () => (await confirmOnce()).status === 200)
    })

    test('finds its seats sold: it is refunded, exactly once', async () => {
      const pending = await anExpiredOneThatCanBePaid()
      const other = await aHold(stack, aUser(), offer)
      await stack.emulator.webhooks({ duplicate: 4 })
      expect((await pay(pending.clientSecret)).status).toBe('succeeded')
      const status = await untilOutcome(pending.id, 'late_payment_refunded')
      expect(status).toMatchObject({ reservationStatus: 'expired', paymentStatus: 'refunded' })
      await expectRefundedOnce(pending.id, pending.paymentIntentId, total)
      const [key] = (await stack.emulator.requests()).filter(({ operation }) => operation === 'refunds.create')
      expect(key?.idempotencyKey).toBe(`refund:late:${pending.paymentIntentId}`)
      expectError(await confirm(pending.id, pending.paymentIntentId), 'HOLD_EXPIRED', {
        outcome: 'late_payment_refunded',
      })
      await untilSeats(stack, offer.timeSlotId, { held: 2, booked: 0 })
      expect(other.status).toBe('held')
    })

    test('and of which nobody tells us is found by closing', async () => {
      const pending = await anExpiredOneThatCanBePaid()
      await stack.emulator.webhooks({ drop: ['payment_intent.succeeded', 'charge.succeeded'] })
      expect((await pay(pending.clientSecret)).status).toBe('succeeded')
      await untilOutcome(pending.id, 'late_payment_confirmed')
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    })

    test('and is asked for by confirm, with its seats sold: the guest is told', async () => {
      const pending = await anExpiredOneThatCanBePaid()
      await aHold(stack, aUser(), offer)
      await stack.emulator.webhooks({ drop: ['payment_intent.succeeded', 'charge.succeeded'] })
      await pay(pending.clientSecret)
      const answer = await confirm(pending.id, pending.paymentIntentId)
      // The refund may be under way or done.
      expect(answer).toMatchObject({ status: 400, body: { error: 'HOLD_EXPIRED' } })
      await untilOutcome(pending.id, 'late_payment_refunded')
      await expectRefundedOnce(pending.id, pending.paymentIntentId, total)
    })
  })

  test('a payment of a hold that its guest has given back is refunded, although the seats are free', async () => {
    const offer = await anOffer(stack)
    await cancellingHangs()
    const pending = await aPendingReservation(stack, guest, offer)
    const release = () => stack.api.call(reservations.releaseHold, { as: guest, params: { id: pending.id } })
    await eventually('it is cancelled', async () => (await release()).status === 200)
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
    const { status } = await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
    expect(status).toBe('succeeded')
    expect(await untilOutcome(pending.id, 'late_payment_refunded')).toMatchObject({
      ...{ reservationStatus: 'cancelled', paymentStatus: 'refunded' },
    })
    await expectRefundedOnce(pending.id, pending.paymentIntentId, total)
    expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 0, booked: 0 })
  })

  describe('a payment that is not what was asked for', () => {
    const changes: [string, (other: string) => object, number, string][] = [
      ['another amount', () => ({ amount: 1_234 }), 1_234, 'amount_mismatch'],
      ['a greater amount', () => ({ amount: total + 1 }), total + 1, 'amount_mismatch'],
      ['another currency', () => ({ currency: 'eur' }), total, 'currency_mismatch'],
      ['another reservation', (other) => ({ metadata: { reservationId: other } }), total, 'metadata_mismatch'],
    ]
    test.each(changes)('%s confirms nothing, and goes back in full, once', async (_what, change, amount, reason) => {
      const offer = await anOffer(stack)
      const pending = await aPendingReservation(stack, guest, offer)
      const other = await aPendingReservation(stack, guest, offer)
      await stack.emulator.webhooks({ duplicate: 4 })
      await stack.emulator.stripe.paymentIntents.update(pending.paymentIntentId, change(other.id))
      const paid = await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      expect(paid.status).toBe('succeeded')
      const status = await untilOutcome(pending.id, 'mismatch_refunded')
      expect(status.reservationStatus).toBe('pending')
      await expectRefundedOnce(pending.id, pending.paymentIntentId, amount)
      expectError(await confirm(pending.id, pending.paymentIntentId), 'PAYMENT_PROCESSING_FAILED', { reason })
      for (const id of [pending.id, other.id]) expect((await readReservation(stack, guest, id)).status).toBe('pending')
      await untilSeats(stack, offer.timeSlotId, { held: 4, booked: 0 })
      // Nothing stands in the way of paying as it was asked for.
      const again = await stack.api.ok(reservations.convertHold, { as: guest, body: { holdId: pending.id } })
      expect(again.reservation.paymentIntentId).not.toBe(pending.paymentIntentId)
      await stack.stripeJs.confirmCardPayment(String(again.paymentClientSecret), cards.success)
      await untilStatus(stack, guest, pending.id, 'confirmed')
    })
  })

  describe('a second payment', () => {
    test('of a confirmed reservation is refunded, once, and the first one stays', async () => {
      const offer = await anOffer(stack)
      const { id, paymentIntentId } = await aConfirmedReservation(stack, guest, offer)
      await stack.emulator.webhooks({ duplicate: 4 })
      const second = await stack.emulator.stripe.paymentIntents.create({
        amount: total,
        currency: 'usd',
        metadata: { reservationId: id, attempt: '2' },
        payment_method: 'pm_card_visa',
        confirm: true,
        return_url: 'https://example.com',
      })
      expect(second.status).toBe('succeeded')
      const status = await untilOutcome(id, 'duplicate_payment_refunded')
      expect(status).toMatchObject({ reservationStatus: 'confirmed', paymentStatus: 'paid', paymentIntentId })
      await expectRefundedOnce(id, second.id, total)
      expect(await refundsOf(paymentIntentId)).toEqual([])
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    })
  })

  test('a payment of the open intent after another has paid is refunded; payment-status names the one that pays', async () => {
    await cancellingHangs()
    const pending = await aPendingReservation(stack, guest)
    const paying = await stack.emulator.stripe.paymentIntents.create({
      amount: total,
      currency: 'usd',
      metadata: { reservationId: pending.id, attempt: '2' },
      payment_method: 'pm_card_visa',
      confirm: true,
      return_url: 'https://example.com',
    })
    await untilStatus(stack, guest, pending.id, 'confirmed')
    await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
    const status = await untilOutcome(pending.id, 'duplicate_payment_refunded')
    expect(status).toMatchObject({ paymentStatus: 'paid', stripeStatus: 'succeeded', paymentIntentId: paying.id })
    expect((await readReservation(stack, guest, pending.id)).paymentIntentId).toBe(paying.id)
    await expectRefundedOnce(pending.id, pending.paymentIntentId, total)
    expect(await refundsOf(paying.id)).toEqual([])
  })

  describe('a refund that somebody makes at Stripe', () => {
    test('in parts, in any order and five times told, adds up', async () => {
      const offer = await anOffer(stack)
      const { id, paymentIntentId } = await aConfirmedReservation(stack, guest, offer)
      await stack.emulator.webhooks({ duplicate: 4, shuffle: true })
      for (const amount of [1_000, 2_000, 3_000])
        await stack.emulator.stripe.refunds.create({ payment_intent: paymentIntentId, amount })
      const status = await eventually('all are known', async () => {
        const now = await statusOf(id)
        return now.amountRefunded === 6_000 && now.paymentStatus === 'partially_refunded' && now
      })
      expect(status.refunds.map(({ amount }) => amount).sort()).toEqual([1_000, 2_000, 3_000])
      expect(status).toMatchObject({ reservationStatus: 'confirmed', outcome: null })
      expect(await refundsOf(paymentIntentId)).toHaveLength(3)
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    })
  })
}
