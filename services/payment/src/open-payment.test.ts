import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentProgressed } from '@holdfast/contracts/messages/payment'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: PaymentStack
let userId: string

beforeAll(async () => {
  stack = await startPaymentStack()
  userId = await stack.userIdOf('alice')
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

const opened: PaymentStack['opened'] = (wanted) => stack.opened(wanted)

/** One of alice's saved cards, by our id. */
async function savedCard(number: string): Promise<string> {
  const paymentMethodId = await stack.stripe.cardOf(number)
  const { body } = await stack.call('POST', '/v1/payments/methods', 'alice', { paymentMethodId })
  return body.data.id
}

describe('a new card', () => {
  test('gets an intent for the price that waits for Stripe.js, and whose payment is told once', async () => {
    const { reservationId, paymentIntentId, clientSecret, ...reply } = await opened()
    expect(reply).toMatchObject({ stripeStatus: 'requires_payment_method', requiresAction: false })
    const intent = await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)
    expect(intent).toMatchObject({ amount: 15_000, currency: 'usd', description: 'Sunset kayaking', customer: null })
    expect(intent.metadata).toMatchObject({ reservationId, attempt: '1', traceparent: expect.stringMatching(/^00-/) })

    await stack.stripe.payWith(cards.ok, { clientSecret })
    const [capture] = await stack.hears(PaymentCaptured, reservationId)
    expect(capture).toMatchObject({ paymentIntentId, amountMinor: 15_000, currency: 'usd' })
    expect(capture.chargeId).toMatch(/^ch_/)
  })

  test('that is declined is told, and the next attempt reuses the intent', async () => {
    const first = await opened()
    await stack.stripe.payWith(cards.insufficientFunds, first)
    const [progress] = await stack.hears(PaymentProgressed, first.reservationId)
    expect(progress).toMatchObject({ status: 'failed', declineCode: 'insufficient_funds', revision: 1 })

    const second = await opened({ reservationId: first.reservationId, attempt: 2 })
    expect(second.paymentIntentId).toBe(first.paymentIntentId)
    await stack.stripe.payWith(cards.ok, second)
    await stack.hears(PaymentCaptured, first.reservationId)
  })

  test('that needs 3-D Secure is told, and paid once it is authenticated', async () => {
    const { reservationId, paymentIntentId, clientSecret } = await opened()
    await stack.stripe.payWith(cards.threeDS, { clientSecret })
    const [progress] = await stack.hears(PaymentProgressed, reservationId)
    expect(progress).toMatchObject({ status: 'requires_action', declineCode: null })
    expect(await stack.read(reservationId)).toMatchObject({ requiresAction: true, actionType: 'use_stripe_sdk' })
    await stack.stripe.authenticate(paymentIntentId, 'succeed')
    await stack.hears(PaymentCaptured, reservationId)
  })

  test('is kept when it has paid and the guest wished so, and never before', async () => {
    const { clientSecret, reservationId } = await opened({
      savePaymentMethod: true,
      userId: await stack.userIdOf('bob'),
    })
    const list = async () => (await stack.call('GET', '/v1/payments/methods', 'bob')).body.data
    expect(await list()).toEqual([])
    await stack.stripe.payWith(cards.amex, { clientSecret })
    await stack.hears(PaymentCaptured, reservationId)

    const [card] = await eventually('the card is there', async () => (await list()).length > 0 && (await list()))
    expect(card).toMatchObject({ brand: 'American Express', last4: '0005', isDefault: true, nickname: null })
  })

  test('is not kept when a later attempt took the wish back', async () => {
    const first = await opened({ savePaymentMethod: true, userId })
    const second = await opened({ reservationId: first.reservationId, attempt: 2, userId })
    expect(second.paymentIntentId).toBe(first.paymentIntentId)
    const intent = await stack.stripe.client.paymentIntents.retrieve(second.paymentIntentId)
    expect(intent.setup_future_usage).toBeNull()
  })

  test('of an amount below what Stripe takes fails with its reason', async () => {
    const reply = await stack.open({ amountMinor: 3 })
    expect(reply).toMatchObject({ outcome: 'failed', reason: 'amount_too_small' })
  })
})

describe('a saved card', () => {
  test('is charged at once; the answer says that Stripe has it, the message that it is paid', async () => {
    const paymentMethodId = await savedCard(cards.ok)
    const { reservationId, stripeStatus, requiresAction } = await opened({ userId, paymentMethodId })
    expect({ stripeStatus, requiresAction }).toEqual({ stripeStatus: 'succeeded', requiresAction: false })
    await stack.hears(PaymentCaptured, reservationId)
  })

  test('that needs 3-D Secure waits for it', async () => {
    const paymentMethodId = await savedCard(cards.threeDS)
    const { reservationId, paymentIntentId, ...reply } = await opened({ userId, paymentMethodId })
    expect(reply).toMatchObject({ stripeStatus: 'requires_action', requiresAction: true })
    await stack.stripe.authenticate(paymentIntentId, 'succeed')
    await stack.hears(PaymentCaptured, reservationId)
  })

  test('that is declined says why, and the next attempt pays the same intent with a new card', async () => {
    const paymentMethodId = await savedCard(cards.savedThenDeclined)
    const reservationId = randomUUID()
    const reply = await stack.open({ reservationId, userId, paymentMethodId })
    expect(reply).toMatchObject({ outcome: 'declined', declineCode: 'generic_decline', revision: 1 })
    expect(await stack.hears(PaymentProgressed, reservationId)).toMatchObject([{ status: 'failed', revision: 1 }])

    const next = await opened({ reservationId, userId, attempt: 2 })
    expect(reply).toMatchObject({ paymentIntentId: next.paymentIntentId })
    await stack.stripe.payWith(cards.ok, next)
    await stack.hears(PaymentCaptured, reservationId)
  })

  test('pays the intent that a new card had been asked for', async () => {
    const paymentMethodId = await savedCard(cards.mastercard)
    const first = await opened({ userId })
    const second = await opened({ reservationId: first.reservationId, attempt: 2, userId, paymentMethodId })
    expect(second).toMatchObject({ paymentIntentId: first.paymentIntentId, stripeStatus: 'succeeded' })
  })

  test("of somebody else, or none of ours, is not found, and Stripe isn't asked", async () => {
    const paymentMethodId = await savedCard(cards.ok)
    await stack.stripe.reset()
    for (const wrong of [paymentMethodId, randomUUID(), 'pm_card_visa', 'nothing like an id'])
      expect(await stack.open({ userId: 'mallory', paymentMethodId: wrong })).toEqual({ outcome: 'method_not_found' })
    expect(await stack.stripe.requests('payment_intents.create')).toEqual([])
  })
})

describe('a saved card that is removed while it is being charged', () => {
  async function chargedAndRemoved(number: string) {
    const paymentMethodId = await savedCard(number)
    const ask = { reservationId: randomUUID(), userId, paymentMethodId }
    await stack.stripe.fault('payment_intents.confirm', 'reset_after_effect', 2)
    expect(await stack.open(ask)).toMatchObject({ outcome: 'unavailable' })
    await stack.call('DELETE', `/v1/payments/methods/${paymentMethodId}`, 'alice')
    return ask
  }

  test('has paid, and the same attempt asked again says so', async () => {
    const ask = await chargedAndRemoved(cards.mastercard)
    const reply = await eventually('an answer', async () => {
      const reply = await stack.open(ask)
      return reply.outcome !== 'unavailable' && reply
    })
    expect(['open', 'captured']).toContain(reply.outcome)
    await stack.hears(PaymentCaptured, ask.reservationId)
  })

  test('was declined, and the same attempt asked again says so', async () => {
    const ask = await chargedAndRemoved(cards.savedThenDeclined)
    const reply = await eventually('an answer', async () => {
      const reply = await stack.open(ask)
      return reply.outcome !== 'unavailable' && reply
    })
    expect(reply).toMatchObject({ outcome: 'declined' })
  })

  test('is not asked for by the next attempt when the first has paid', async () => {
    const ask = await chargedAndRemoved(cards.mastercard)
    await stack.hears(PaymentCaptured, ask.reservationId)
    expect(await stack.open({ ...ask, attempt: 2 })).toMatchObject({ outcome: 'captured' })
  })
})

describe('an attempt', () => {
  test('whose change of the intent was taken back by another changes it again', async () => {
    const { reservationId } = await opened()
    const saving = { reservationId, attempt: 2, userId, savePaymentMethod: true }
    await stack.stripe.fault('payment_intents.update', 'reset_after_effect', 2)
    expect(await stack.open(saving)).toMatchObject({ outcome: 'unavailable' })
    await opened({ reservationId, attempt: 3, userId })
    const { paymentIntentId } = await opened(saving)
    const intent = await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)
    expect(intent.setup_future_usage).toBe('on_session')
  })

  test('asked again is answered as the first time, without another call', async () => {
    const first = await opened()
    const calls = async () => (await stack.stripe.requests('payment_intents.create')).length
    expect(await calls()).toBe(1)
    expect(await opened({ reservationId: first.reservationId })).toEqual(first)
    expect(await calls()).toBe(1)
    await stack.stripe.payWith(cards.ok, first)
    await stack.hears(PaymentCaptured, first.reservationId)
    expect(await opened({ reservationId: first.reservationId })).toEqual(first)
  })

  test('that was declined is answered with the same decline, and no card is charged again', async () => {
    const paymentMethodId = await savedCard(cards.savedThenDeclined)
    const ask = { reservationId: randomUUID(), userId, paymentMethodId }
    const first = await stack.open(ask)
    await stack.stripe.reset()
    expect(await stack.open(ask)).toEqual(first)
    expect(await stack.stripe.requests('payment_intents.confirm')).toEqual([])
  })

  test('at the same time as others shares their one open intent', async () => {
    const reservationId = randomUUID()
    const replies = await Promise.all([1, 2, 3, 1].map((attempt) => opened({ reservationId, attempt })))
    expect(new Set(replies.map(({ paymentIntentId }) => paymentIntentId)).size).toBe(1)
    expect(await stack.stripe.requests('payment_intents.create')).toHaveLength(1)
  })

  test('after the intent was cancelled in the dashboard gets a new one', async () => {
    const first = await opened()
    await stack.stripe.client.paymentIntents.cancel(first.paymentIntentId)
    const second = await opened({ reservationId: first.reservationId, attempt: 2 })
    expect(second.paymentIntentId).not.toBe(first.paymentIntentId)
  })

  test('after the guest has paid in another window finds the payment, although no webhook came', async () => {
    await stack.stripe.webhooks({ hold: true })
    const { reservationId, paymentIntentId, clientSecret } = await opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    const reply = await stack.open({ reservationId, attempt: 2 })
    expect(reply).toMatchObject({ outcome: 'captured', clientSecret, capture: { paymentIntentId } })
    await stack.hears(PaymentCaptured, reservationId)
  })
})

describe('a call whose answer is lost', () => {
  test.each(['payment_intents.create', 'payment_intents.confirm'])('%s has its effect once', async (operation) => {
    const paymentMethodId = await savedCard(cards.ok)
    await stack.stripe.reset()
    // Lost as often as the client itself would try.
    await stack.stripe.fault(operation, 'reset_after_effect', 3)
    const reservationId = randomUUID()
    const ask = { reservationId, userId, paymentMethodId }
    await eventually('an answer', async () => (await stack.open(ask)).outcome !== 'unavailable')
    const [capture] = await stack.hears(PaymentCaptured, reservationId)
    const intents = await stack.stripe.client.paymentIntents.list({ limit: 100 })
    const ours = intents.data.filter(({ metadata }) => metadata.reservationId === reservationId)
    expect(ours.map(({ id, status }) => ({ id, status }))).toEqual([
      { id: capture.paymentIntentId, status: 'succeeded' },
    ])
    const keys = (await stack.stripe.requests(operation)).map(
      (request: { idempotencyKey: string }) => request.idempotencyKey,
    )
    expect(new Set(keys).size).toBe(1)
  })

  test('with a failure that Stripe would replay for ever goes on under a new key', async () => {
    await stack.stripe.fault('payment_intents.create', 'error_500', 1)
    const reservationId = randomUUID()
    expect(await stack.open({ reservationId })).toMatchObject({ outcome: 'unavailable' })
    expect(await stack.open({ reservationId })).toMatchObject({ outcome: 'open' })
  })

  test('because Stripe hangs is answered in time', async () => {
    await stack.stripe.fault('payment_intents.create', 'delay', 4, 20_000)
    const before = Date.now()
    expect(await stack.open()).toMatchObject({ outcome: 'unavailable' })
    expect(Date.now() - before).toBeLessThan(3_900)
  })

  test('is turned away at once while Stripe is away, and let through when it is back', async () => {
    await stack.stripe.fault('payment_intents.create', 'reset_before_effect', 1_000_000)
    const ask = { reservationId: randomUUID() }
    await eventually('the breaker is open', async () => {
      const before = (await stack.stripe.requests('payment_intents.create')).length
      const reply = await stack.open(ask)
      const after = (await stack.stripe.requests('payment_intents.create')).length
      return reply.outcome === 'unavailable' && before === after
    })
    await stack.stripe.reset()
    await eventually('Stripe is asked again', async () => (await stack.open(ask)).outcome === 'open')
  })
})
