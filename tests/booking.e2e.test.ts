import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  exampleDiscounts,
  holdBody,
  readReservation,
  untilSeats,
  untilStatus,
} from './support/situation.ts'
import { startTestStack, type TestStack } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** The flow document's journey, on the whole stack, as a front end travels it. */

let stack: TestStack
let guest: string
beforeAll(async () => {
  stack = await startTestStack()
}, 120_000)
afterAll(() => stack?.stop(), 60_000)
beforeEach(() => {
  guest = aUser()
})

const convert = (holdId: string, body: Record<string, unknown> = {}, key?: string) =>
  stack.api.call(reservations.convertHold, { as: guest, body: { holdId, ...body }, ...(key !== undefined && { key }) })
const statusOf = async (id: string) =>
  (await stack.api.ok(reservations.getPaymentStatus, { as: guest, params: { id } })).data
const saveCard = async (number: string) => {
  const paymentMethodId = await stack.stripeJs.createPaymentMethod(number)
  return (await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })).data
}

describe("the flow document's scenarios", () => {
  test('1. Happy path: hold, convert, payment success, confirmed', async () => {
    const offer = await anOffer(stack, { experience: { discounts: exampleDiscounts } })
    const hold = await stack.api.ok(reservations.createHold, { as: guest, body: holdBody(offer) })
    expect(hold).toEqual({
      reservation: {
        id: expect.any(String),
        status: 'held',
        holdExpiresAt: expect.any(String),
        totalPrice: 15_000,
        originalPrice: 20_000,
        discountApplied: 5_000,
        currency: 'usd',
      },
      appliedDiscounts: {
        groupDiscount: { amount: 3_000, type: 'group_5_plus' },
        earlyBirdDiscount: { amount: 2_000, type: 'early_bird' },
        totalDiscount: 5_000,
      },
      holdDurationMinutes: 15,
    })
    const { id } = hold.reservation
    const converted = await stack.api.ok(reservations.convertHold, { as: guest, body: { holdId: id } })
    expect(converted).toEqual({
      reservation: { id, status: 'pending', paymentIntentId: expect.stringMatching(/^pi_/) },
      paymentClientSecret: expect.stringMatching(/^pi_.+_secret_/),
      requiresAction: false,
    })
    const paymentIntentId = String(converted.reservation.paymentIntentId)
    const paid = await stack.stripeJs.confirmCardPayment(String(converted.paymentClientSecret), cards.success)
    expect(paid.status).toBe('succeeded')
    const confirmed = await stack.api.ok(reservations.confirmReservation, {
      as: guest,
      body: { reservationId: id, paymentIntentId },
    })
    expect(confirmed).toEqual({
      reservation: {
        id,
        status: 'confirmed',
        paymentStatus: 'paid',
        reservationReference: expect.stringMatching(/^[A-Z0-9]{12}$/),
      },
      payment: { paymentId: expect.any(String), status: 'captured', chargeId: expect.stringMatching(/^ch_/) },
    })
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    const intent = await stack.emulator.stripe.paymentIntents.retrieve(paymentIntentId)
    expect(intent).toMatchObject({ amount_received: 15_000, currency: 'usd', metadata: { reservationId: id } })
  })

  test('1b. The webhook alone confirms, without anybody asking', async () => {
    const { id } = await aConfirmedReservation(stack, guest)
    const { timeline } = await stack.api.ok(reservations.getTimeline, { as: guest, params: { id } })
    expect(timeline.map((line) => line.type)).toEqual(
      expect.arrayContaining(['held', 'conversion_started', 'payment_opened', 'payment_captured']),
    )
    expect(timeline.find((line) => line.type === 'payment_captured')).toMatchObject({
      from: 'pending',
      to: 'confirmed',
      messageId: expect.any(String),
      causationId: expect.any(String),
    })
  })

  test('2. Expired hold: wait until it is over, try to convert, get the error', async () => {
    const offer = await anOffer(stack, { experience: { holdSeconds: 1 } })
    const { id, holdExpiresAt } = await aHold(stack, guest, offer)
    await untilStatus(stack, guest, id, 'expired')
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(holdExpiresAt))
    const { status, body } = await stack.api.fails(reservations.convertHold, { as: guest, body: { holdId: id } })
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'HOLD_EXPIRED' })
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  })

  test('3. Payment retry: the payment fails, is tried again with the same hold, and succeeds', async () => {
    const { id: holdId, holdExpiresAt } = await aHold(stack, guest)
    const first = await stack.api.ok(reservations.convertHold, {
      as: guest,
      body: { holdId },
      key: `${holdId}-convert`,
    })
    const declined = await stack.stripeJs.confirmCardPayment(String(first.paymentClientSecret), cards.declined)
    expect(declined.error).toMatchObject({ code: 'card_declined' })
    const failed = await eventually('the failure is known', async () => {
      const reservation = await readReservation(stack, guest, holdId)
      return reservation.paymentStatus === 'failed' && reservation
    })
    expect(failed).toMatchObject({ status: 'pending', holdExpiresAt })
    const again = await stack.api.ok(reservations.convertHold, {
      as: guest,
      body: { holdId },
      key: `${holdId}-convert-2`,
    })
    expect(again.reservation).toEqual(first.reservation)
    await stack.stripeJs.confirmCardPayment(String(again.paymentClientSecret), cards.success)
    await untilStatus(stack, guest, holdId, 'confirmed')
  })

  test('4. Duplicate request: the same idempotency key gets the stored answer', async () => {
    const offer = await anOffer(stack)
    const body = holdBody(offer)
    const first = await stack.api.call(reservations.createHold, { as: guest, body, key: 'the-same' })
    const reordered = Object.fromEntries(Object.entries(body).reverse())
    const second = await stack.api.call(reservations.createHold, { as: guest, body: reordered, key: 'the-same' })
    expect(second.body).toEqual(first.body)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    await untilSeats(stack, offer.timeSlotId, { held: 2, booked: 0 })
    const convertKey = 'the-same-convert'
    const { id } = (first.body as { reservation: { id: string } }).reservation
    const converted = await convert(id, {}, convertKey)
    expect(await convert(id, {}, convertKey)).toMatchObject({ status: 200, body: converted.body })
  })

  test('5. 3D Secure: the test card asks for authentication, which completes the payment', async () => {
    const pending = await aPendingReservation(stack, guest)
    const result = await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.threeDSecure)
    expect(result.status).toBe('requires_action')
    const asked = await eventually('the status says so', async () => {
      const status = await statusOf(pending.id)
      return status.stripeStatus === 'requires_action' && status
    })
    expect(asked).toMatchObject({ reservationStatus: 'pending', requiresAction: true })
    expect(['redirect_to_url', 'use_stripe_sdk']).toContain(asked.actionType)
    await stack.stripeJs.authenticate(pending.paymentIntentId, 'succeed')
    await untilStatus(stack, guest, pending.id, 'confirmed')
    expect(await statusOf(pending.id)).toEqual({
      reservationStatus: 'confirmed',
      paymentIntentId: pending.paymentIntentId,
      stripeStatus: 'succeeded',
      requiresAction: false,
      actionType: null,
      paymentStatus: 'paid',
      amountRefunded: 0,
      refunds: [],
      outcome: null,
    })
  })
})

describe('a saved card', () => {
  test('pays on the server; confirmation follows by message', async () => {
    const card = await saveCard(cards.success)
    const { id: holdId } = await aHold(stack, guest)
    const { status, body } = await convert(holdId, { paymentMethodId: card.id })
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { reservation: { id: holdId, status: 'pending' }, requiresAction: false },
    })
    await untilStatus(stack, guest, holdId, 'confirmed')
  })

  test('that needs 3D Secure says so, and confirms once it was completed', async () => {
    const card = await saveCard(cards.threeDSecure)
    const { id: holdId } = await aHold(stack, guest)
    const converted = await stack.api.ok(reservations.convertHold, {
      as: guest,
      body: { holdId, paymentMethodId: card.id },
    })
    expect(converted.requiresAction).toBe(true)
    expect((await readReservation(stack, guest, holdId)).paymentStatus).toBe('requires_action')
    await stack.stripeJs.authenticate(String(converted.reservation.paymentIntentId), 'succeed')
    await untilStatus(stack, guest, holdId, 'confirmed')
  })

  test('that is declined keeps the hold; another card pays it', async () => {
    const declines = await saveCard(cards.declinesWhenCharged)
    const pays = await saveCard(cards.success)
    const { id: holdId } = await aHold(stack, guest)
    const { status, body } = await stack.api.fails(reservations.convertHold, {
      as: guest,
      body: { holdId, paymentMethodId: declines.id },
      key: 'declined-convert',
    })
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { error: 'PAYMENT_CARD_DECLINED', details: { declineCode: expect.any(String) } },
    })
    expect(await readReservation(stack, guest, holdId)).toMatchObject({ status: 'pending', paymentStatus: 'failed' })
    const replayed = await convert(holdId, { paymentMethodId: declines.id }, 'declined-convert')
    expect(replayed.headers.get('idempotent-replayed')).toBe('true')
    expect(replayed.body).toMatchObject({ error: 'PAYMENT_CARD_DECLINED' })
    await convert(holdId, { paymentMethodId: pays.id }, 'declined-convert-2')
    await untilStatus(stack, guest, holdId, 'confirmed')
  })

  test('appears by itself after a payment that was to save it, and is the default', async () => {
    const { id: holdId } = await aHold(stack, guest)
    const converted = await stack.api.ok(reservations.convertHold, {
      as: guest,
      body: { holdId, savePaymentMethod: true },
    })
    await stack.stripeJs.confirmCardPayment(String(converted.paymentClientSecret), cards.success)
    await untilStatus(stack, guest, holdId, 'confirmed')
    const [card] = await eventually('the card is there', async () => {
      const { data } = await stack.api.ok(payments.listPaymentMethods, { as: guest })
      return data.length > 0 && data
    })
    expect(card).toMatchObject({ brand: 'Visa', last4: '4242', expMonth: '12', expYear: '2030', isDefault: true })
  })
})

describe('a failed card', () => {
  test.each([
    ['declined', cards.declined, 'generic_decline'],
    ['without funds', cards.insufficientFunds, 'insufficient_funds'],
  ])('%s leaves the reservation pending and unpaid', async (_name, card, declineCode) => {
    const pending = await aPendingReservation(stack, guest)
    const result = await stack.stripeJs.confirmCardPayment(pending.clientSecret, card)
    expect(result.error?.decline_code).toBe(declineCode)
    await eventually('the failure is known', async () => (await statusOf(pending.id)).paymentStatus === 'failed')
    expect(await readReservation(stack, guest, pending.id)).toMatchObject({ status: 'pending' })
  })
})

describe('a hold', () => {
  test('that is released cancels its open intent first, and answers the same the second time', async () => {
    const offer = await anOffer(stack)
    const pending = await aPendingReservation(stack, guest, offer)
    const release = () => stack.api.ok(reservations.releaseHold, { as: guest, params: { id: pending.id } })
    expect(await release()).toEqual({ reservation: { id: pending.id, status: 'cancelled' } })
    expect(await release()).toEqual({ reservation: { id: pending.id, status: 'cancelled' } })
    const intent = await stack.emulator.stripe.paymentIntents.retrieve(pending.paymentIntentId)
    expect(intent.status).toBe('canceled')
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  })

  test('that is free of charge is confirmed by its conversion', async () => {
    const offer = await anOffer(stack, { experience: { pricePerGuest: 0 } })
    const { id: holdId } = await aHold(stack, guest, offer)
    const converted = await stack.api.ok(reservations.convertHold, { as: guest, body: { holdId } })
    expect(converted).toEqual({
      reservation: { id: holdId, status: 'confirmed', paymentIntentId: null },
      paymentClientSecret: null,
      requiresAction: false,
    })
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
  })

  test('whose time is over while its payment is open expires only after the intent was cancelled', async () => {
    const offer = await anOffer(stack, { experience: { holdSeconds: 2 } })
    const pending = await aPendingReservation(stack, guest, offer)
    await untilStatus(stack, guest, pending.id, 'expired')
    const intent = await stack.emulator.stripe.paymentIntents.retrieve(pending.paymentIntentId)
    expect(intent.status).toBe('canceled')
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  })
})

test('a refund made in the dashboard is shown; the reservation keeps its seats', async () => {
  const offer = await anOffer(stack)
  const { id, paymentIntentId } = await aConfirmedReservation(stack, guest, offer)
  await stack.emulator.stripe.refunds.create({ payment_intent: paymentIntentId, amount: 5_000 })
  const part = await eventually('the refund is shown', async () => {
    const status = await statusOf(id)
    return status.paymentStatus === 'partially_refunded' && status
  })
  expect(part).toMatchObject({ reservationStatus: 'confirmed', amountRefunded: 5_000 })
  await stack.emulator.stripe.refunds.create({ payment_intent: paymentIntentId })
  const full = await eventually('all of it is', async () => {
    const status = await statusOf(id)
    return status.paymentStatus === 'refunded' && status
  })
  expect(full.amountRefunded).toBe(20_000)
  expect(full.refunds.map(({ amount }) => amount).sort()).toEqual([15_000, 5_000])
  await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
})
