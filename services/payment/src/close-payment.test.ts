import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentClosed } from '@holdfast/contracts/messages/payment'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: PaymentStack

beforeAll(async () => {
  stack = await startPaymentStack()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

const statusOf = async (intentId: string) => (await stack.stripe.client.paymentIntents.retrieve(intentId)).status

describe('closing a payment', () => {
  test('cancels its open intent and says that it is closed; a later attempt finds it so', async () => {
    const { reservationId, paymentIntentId } = await stack.opened()
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    expect(await statusOf(paymentIntentId)).toBe('canceled')
    expect(await stack.open({ reservationId, attempt: 2 })).toEqual({ outcome: 'closed' })
  })

  test('that waits for 3-D Secure cancels it too', async () => {
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.threeDS, { clientSecret })
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    expect(await statusOf(paymentIntentId)).toBe('canceled')
  })

  test('that was paid meanwhile says that it is captured, and not that it is closed', async () => {
    await stack.stripe.webhooks({ hold: true })
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.close(reservationId)
    expect(await stack.hears(PaymentCaptured, reservationId)).toMatchObject([{ paymentIntentId }])
    await stack.stripe.release()
    await eventually(
      'the webhook has come',
      async () => (await stack.stripe.events('payment_intent.succeeded'))[0]?.deliveries.length,
    )
    expect(stack.heardOf(PaymentClosed, reservationId)).toEqual([])
    expect(stack.heardOf(PaymentCaptured, reservationId)).toHaveLength(1)
  })

  test('that was paid by another intent cancels the one still open, without being asked', async () => {
    const { reservationId, paymentIntentId } = await stack.opened()
    // As one whose making was answered with a failure of Stripe's, and that somebody has paid by hand.
    const metadata = { reservationId, attempt: '1' }
    const stray = await stack.stripe.client.paymentIntents.create({ amount: 15_000, currency: 'usd', metadata })
    await stack.stripe.payWith(cards.ok, { clientSecret: String(stray.client_secret) })
    expect(await stack.hears(PaymentCaptured, reservationId)).toMatchObject([{ paymentIntentId: stray.id }])
    await eventually('it is cancelled', async () => (await statusOf(paymentIntentId)) === 'canceled')
    expect(await stack.open({ reservationId, attempt: 2 })).toMatchObject({ outcome: 'captured' })
    expect(stack.heardOf(PaymentClosed, reservationId)).toEqual([])
  })

  test('that was never opened is closed at once, and an attempt that comes late is told so', async () => {
    const reservationId = randomUUID()
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    expect(await stack.open({ reservationId })).toEqual({ outcome: 'closed' })
    expect(await stack.stripe.requests('payment_intents.create')).toEqual([])
  })

  test('asked for again says again what came of it, in case the answer was lost', async () => {
    const { reservationId } = await stack.opened()
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    await stack.forgetHeard()
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)

    const paid = await stack.opened()
    await stack.stripe.payWith(cards.ok, paid)
    await stack.hears(PaymentCaptured, paid.reservationId)
    await stack.forgetHeard()
    await stack.close(paid.reservationId)
    await stack.hears(PaymentCaptured, paid.reservationId)
    expect(stack.heardOf(PaymentClosed, paid.reservationId)).toEqual([])
  })

  test('while Stripe is away is done when it is back', async () => {
    const { reservationId, paymentIntentId } = await stack.opened()
    await stack.stripe.fault('payment_intents.cancel', 'reset_before_effect', 1_000_000)
    await stack.close(reservationId)
    await eventually('it was tried', async () => (await stack.stripe.requests('payment_intents.cancel')).length > 2)
    expect(stack.heardOf(PaymentClosed, reservationId)).toEqual([])
    await stack.stripe.reset()
    await stack.hears(PaymentClosed, reservationId)
    expect(await statusOf(paymentIntentId)).toBe('canceled')
  })

  test('cancels once, although the answer was lost', async () => {
    const { reservationId } = await stack.opened()
    await stack.stripe.fault('payment_intents.cancel', 'reset_after_effect', 2)
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    const requests: { idempotencyKey: string }[] = await stack.stripe.requests('payment_intents.cancel')
    expect(requests.length).toBeGreaterThan(1)
    expect(new Set(requests.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1)
  })

  test('finds an intent whose making was never answered, and cancels it', async () => {
    await stack.stripe.fault('payment_intents.create', 'reset_after_effect', 3)
    const reservationId = randomUUID()
    expect(await stack.open({ reservationId })).toMatchObject({ outcome: 'unavailable' })
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    const { data } = await stack.stripe.client.paymentIntents.list({ limit: 100 })
    const ours = data.filter(({ metadata }) => metadata.reservationId === reservationId)
    expect(ours.map(({ status }) => status)).toEqual(['canceled'])
  })

  test('does not repeat a confirmation whose answer was lost: the card is charged once or not at all', async () => {
    const userId = await stack.userIdOf('carol')
    const stripeCard = await stack.stripe.cardOf(cards.ok)
    const { body } = await stack.call('POST', '/v1/payments/methods', 'carol', { paymentMethodId: stripeCard })
    await stack.stripe.fault('payment_intents.confirm', 'reset_before_effect', 1_000_000)
    const reservationId = randomUUID()
    const reply = await stack.open({ reservationId, userId, paymentMethodId: body.data.id })
    expect(reply).toMatchObject({ outcome: 'unavailable' })
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    await stack.stripe.reset()
    expect(await stack.read(reservationId)).toMatchObject({ stripeStatus: 'canceled', captures: [] })
    expect(await stack.stripe.requests('payment_intents.confirm')).toEqual([])
  })
})
