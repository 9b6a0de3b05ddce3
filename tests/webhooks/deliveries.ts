import * as payments from '@holdfast/contracts/routes/payments'
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
  untilSeats,
  untilStatus,
} from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'
import { deliver, event, paidIntent, succeeded } from './events.ts'

/** Webhooks come twice, in the wrong order, before their time, or never. The booking is the same. */
export function deliveries(stack: TestStack): void {
  let guest: string
  let offer: Offer
  beforeEach(async () => {
    guest = aUser()
    offer = await anOffer(stack)
  })
  afterEach(() => stack.emulator.reset())

  const statusOf = async (id: string) =>
    (await stack.api.ok(reservations.getPaymentStatus, { as: guest, params: { id } })).data
  const timelineOf = async (id: string) =>
    (await stack.api.ok(reservations.getTimeline, { as: guest, params: { id } })).timeline
  const confirm = (pending: { id: string; paymentIntentId: string }) =>
    stack.api.call(reservations.confirmReservation, {
      as: guest,
      body: { reservationId: pending.id, paymentIntentId: pending.paymentIntentId },
    })
  const eventsOf = async (intentId: string) =>
    (await stack.emulator.events()).filter(({ data }) =>
      [data.object.id, data.object.payment_intent].includes(intentId),
    )
  const eventOf = async (intentId: string, type: string) => {
    const found = (await eventsOf(intentId)).find((each) => each.type === type)
    if (!found) throw new Error(`there is no ${type} of ${intentId}`)
    return found.id
  }
  /** Waits until Stripe has had a 200 for the event, that often. */
  const untilTaken = (eventId: string, count = 1) =>
    eventually(`${eventId} is taken`, async () => {
      const found = (await stack.emulator.events()).find(({ id }) => id === eventId)
      return (found?.deliveries.filter(({ status }) => status === 200).length ?? 0) >= count
    })
  /** Confirmed, once, with all of the money and the seats. */
  async function expectConfirmedOnce(id: string, seats = 2): Promise<void> {
    await untilStatus(stack, guest, id, 'confirmed')
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: seats })
    const timeline = await timelineOf(id)
    expect(timeline.filter(({ type }) => type === 'payment_captured')).toHaveLength(1)
    expect(timeline.filter(({ from, to }) => from !== to && to === 'confirmed')).toHaveLength(1)
    expect(await statusOf(id)).toMatchObject({ paymentStatus: 'paid', amountRefunded: 0, refunds: [], outcome: null })
  }

  describe('the same webhook', () => {
    test('five times at once has its effect once', async () => {
      await stack.emulator.webhooks({ duplicate: 4, shuffle: true })
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await untilTaken(await eventOf(pending.paymentIntentId, 'payment_intent.succeeded'), 5)
      await expectConfirmedOnce(pending.id)
    })

    test('five times more, when all is long over, moves nothing', async () => {
      const { id, paymentIntentId } = await aConfirmedReservation(stack, guest, offer)
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
      const before = [await readReservation(stack, guest, id), await timelineOf(id)]
      const eventId = await eventOf(paymentIntentId, 'payment_intent.succeeded')
      await Promise.all(Array.from({ length: 5 }, () => stack.emulator.resend(eventId)))
      await untilTaken(eventId, 6)
      expect((await confirm({ id, paymentIntentId })).status).toBe(200)
      expect([await readReservation(stack, guest, id), await timelineOf(id)]).toMatchObject([
        { status: 'confirmed' },
        before[1] as never,
      ])
    })
  })

  describe('in the wrong order', () => {
    test('a failure that arrives after the success moves nothing back', async () => {
      await stack.emulator.webhooks({ hold: true })
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.declined)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await stack.emulator.resend(await eventOf(pending.paymentIntentId, 'payment_intent.succeeded'))
      await untilStatus(stack, guest, pending.id, 'confirmed')
      const failure = await eventOf(pending.paymentIntentId, 'payment_intent.payment_failed')
      for (const count of [1, 2]) {
        await stack.emulator.resend(failure)
        await untilTaken(failure, count)
      }
      await expectConfirmedOnce(pending.id)
    })

    test('a failure that was only invented, newer than the success, moves nothing back either', async () => {
      const { id, paymentIntentId } = await aConfirmedReservation(stack, guest, offer)
      const intent = await stack.emulator.stripe.paymentIntents.retrieve(paymentIntentId)
      const failed = {
        ...{ ...intent, status: 'requires_payment_method', amount_received: 0, latest_charge: null },
        last_payment_error: { code: 'card_declined', decline_code: 'generic_decline' },
      }
      const later = Math.floor(Date.now() / 1_000) + 60
      for (const type of ['payment_intent.payment_failed', 'payment_intent.canceled'])
        expect((await deliver(stack, event(type, failed, later))).status).toBe(200)
      await expectConfirmedOnce(id)
    })

    test('everything held back and shuffled, four times each', async () => {
      await stack.emulator.webhooks({ hold: true })
      const pending = await aPendingReservation(stack, guest, offer)
      for (const card of [cards.declined, cards.insufficientFunds, cards.success])
        await stack.stripeJs.confirmCardPayment(pending.clientSecret, card)
      await stack.emulator.webhooks({ duplicate: 3, shuffle: true })
      await stack.emulator.release()
      await untilTaken(await eventOf(pending.paymentIntentId, 'payment_intent.succeeded'))
      for (const each of await eventsOf(pending.paymentIntentId))
        if (each.type === 'payment_intent.payment_failed') await untilTaken(each.id)
      await expectConfirmedOnce(pending.id)
    })

    test('a refund that is heard of before the payment', async () => {
      await stack.emulator.webhooks({ hold: true })
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await stack.emulator.stripe.refunds.create({ payment_intent: pending.paymentIntentId })
      const refunded = await eventOf(pending.paymentIntentId, 'charge.refunded')
      await stack.emulator.resend(refunded)
      await untilTaken(refunded)
      await stack.emulator.resend(await eventOf(pending.paymentIntentId, 'payment_intent.succeeded'))
      await untilStatus(stack, guest, pending.id, 'confirmed')
      const status = await eventually('the refund is known', async () => {
        const now = await statusOf(pending.id)
        return now.amountRefunded === 20_000 && now.paymentStatus === 'refunded' && now
      })
      expect(status).toMatchObject({ reservationStatus: 'confirmed', refunds: [{ amount: 20_000 }], outcome: null })
      expect((await readReservation(stack, guest, pending.id)).paymentStatus).toBe('refunded')
    })
  })

  describe('before its time', () => {
    test('the success is told before the convert with a saved card has answered', async () => {
      const paymentMethodId = await stack.stripeJs.createPaymentMethod(cards.success)
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })
      const { id: holdId } = await aHold(stack, guest, offer)
      await stack.emulator.fault({ operation: 'payment_intents.confirm', times: 1, fault: 'delay', delayMs: 2_000 })
      let answered = false
      const converting = stack.api
        .call(reservations.convertHold, { as: guest, body: { holdId, paymentMethodId: data.id } })
        .finally(() => {
          answered = true
        })
      const intent = await eventually('the intent is being confirmed', async () => {
        const requests = await stack.emulator.requests()
        const isUnderWay = requests.some((each) => each.operation === 'payment_intents.confirm' && each.status === null)
        return isUnderWay && (await stack.emulator.intentsOf(holdId))[0]
      })
      expect((await deliver(stack, succeeded(await paidIntent(stack, intent.id)))).status).toBe(200)
      await untilStatus(stack, guest, holdId, 'confirmed')
      expect(answered).toBe(false)
      const { status, body } = await converting
      expect({ status, body }).toMatchObject({
        status: 200,
        // As ever, though it is confirmed by now: a client is told one thing, and looks again.
        body: { reservation: { id: holdId, status: 'pending', paymentIntentId: intent.id } },
      })
      await expectConfirmedOnce(holdId)
    })

    test('the success of an intent whose making was never answered', async () => {
      const { id: holdId } = await aHold(stack, guest, offer)
      const convert = () =>
        stack.api.call(reservations.convertHold, { as: guest, body: { holdId }, key: `${holdId}-convert` })
      await stack.emulator.fault({ operation: 'payment_intents.create', times: 100, fault: 'reset_after_effect' })
      expectError(await convert(), 'SERVICE_UNAVAILABLE')
      const [intent, ...others] = await stack.emulator.intentsOf(holdId)
      if (!intent) throw new Error('Stripe has made it')
      expect(others).toEqual([])
      await stack.stripeJs.confirmCardPayment(String(intent.client_secret), cards.success)
      await untilStatus(stack, guest, holdId, 'confirmed')
      await stack.emulator.reset()
      const again = await convert()
      // It is confirmed: either that is said, or the answer that was lost.
      if (again.status !== 200) expectError(again, 'INVALID_HOLD_STATUS')
      expect(await stack.emulator.intentsOf(holdId)).toHaveLength(1)
      await expectConfirmedOnce(holdId)
    })
  })

  describe('never', () => {
    beforeEach(() => stack.emulator.webhooks({ drop: ['payment_intent.succeeded', 'charge.succeeded'] }))

    test('payment-status reads Stripe, and heals', async () => {
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      expect(await statusOf(pending.id)).toMatchObject({
        ...{ reservationStatus: 'confirmed', stripeStatus: 'succeeded', paymentStatus: 'paid' },
      })
      await expectConfirmedOnce(pending.id)
    })

    test('confirm reads Stripe, and heals', async () => {
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      expect(await confirm(pending)).toMatchObject({ status: 200, body: { reservation: { status: 'confirmed' } } })
      await expectConfirmedOnce(pending.id)
    })

    test('a failure, a wish for 3D Secure and a refund are found by payment-status, too', async () => {
      const types = ['payment_intent.payment_failed', 'payment_intent.requires_action', 'charge.refunded']
      await stack.emulator.webhooks({ drop: [...types, 'refund.created', 'refund.updated', 'charge.updated'] })
      const pending = await aPendingReservation(stack, guest, offer)
      const untilSeen = (facts: object) =>
        eventually(JSON.stringify(facts), async () => {
          expect(await statusOf(pending.id)).toMatchObject(facts)
          return true
        })
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.declined)
      await untilSeen({ paymentStatus: 'failed', stripeStatus: 'requires_payment_method', requiresAction: false })
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.threeDSecure)
      await untilSeen({ paymentStatus: 'requires_action', stripeStatus: 'requires_action', requiresAction: true })
      expect((await statusOf(pending.id)).actionType).toEqual(
        expect.stringMatching(/^(redirect_to_url|use_stripe_sdk)$/),
      )
      await stack.stripeJs.authenticate(pending.paymentIntentId, 'succeed')
      await untilSeen({
        reservationStatus: 'confirmed',
        paymentStatus: 'paid',
        requiresAction: false,
        actionType: null,
      })
      await stack.emulator.stripe.refunds.create({ payment_intent: pending.paymentIntentId, amount: 5_000 })
      await untilSeen({ paymentStatus: 'partially_refunded', amountRefunded: 5_000, refunds: [{ amount: 5_000 }] })
    })

    test('the guest gives the hold back, and Stripe says that it is paid: it stays, and is confirmed', async () => {
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      const params = { id: pending.id }
      expectError(await stack.api.call(reservations.releaseHold, { as: guest, params }), 'INVALID_HOLD_STATUS')
      await expectConfirmedOnce(pending.id)
    })

    test('nobody asks, and Stripe is asked by itself', async () => {
      const pending = await aPendingReservation(stack, guest, offer)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      expect((await readReservation(stack, guest, pending.id)).status).toBe('pending')
      await expectConfirmedOnce(pending.id)
      const told = (await eventsOf(pending.paymentIntentId)).filter(({ type }) => type.endsWith('.succeeded'))
      expect(told.flatMap((each) => each.deliveries)).toEqual([])
    })

    test('nobody asks until the hold is over: the fence finds it paid, and the seats are still there', async () => {
      const short = await anOffer(stack, { experience: { holdSeconds: 2 } })
      offer = short
      const pending = await aPendingReservation(stack, guest, short)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await expectConfirmedOnce(pending.id)
      expect((await timelineOf(pending.id)).map(({ type }) => type)).toContain('payment_closing')
    })
  })
}
