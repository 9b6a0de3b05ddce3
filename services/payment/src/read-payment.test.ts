import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentProgressed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

const intents = statement<{ id: string }>(
  'test.intents',
  'select i.id from payment_intent i join payment p on p.id = i.payment_id where p.reservation_id = $1',
)
const failures = statement<{ reason: string }>(
  'test.failures',
  `select reason from failed_message where envelope->>'correlationid' = $1`,
)
let stack: PaymentStack

beforeAll(async () => {
  stack = await startPaymentStack()
})
beforeEach(async () => {
  await stack.stripe.reset()
  // No webhook helps in any of these.
  await stack.stripe.webhooks({ hold: true })
})
afterAll(() => stack.stop())

describe('reading a payment', () => {
  test('of which nothing is known finds none', async () => {
    expect(await stack.read(randomUUID())).toBeNull()
  })

  test('finds out at Stripe that it was paid, and tells it', async () => {
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    const payment = await stack.read(reservationId)
    expect(payment).toMatchObject({ paymentIntentId, stripeStatus: 'succeeded', captures: [{ paymentIntentId }] })
    await stack.hears(PaymentCaptured, reservationId)
  })

  test('many times at once asks Stripe once', async () => {
    const { reservationId } = await stack.opened()
    await Promise.all(Array.from({ length: 10 }, () => stack.read(reservationId)))
    expect(await stack.stripe.requests('payment_intents.retrieve')).toHaveLength(1)
  })

  test('shows what the guest may pay, not what somebody has paid by hand otherwise than asked', async () => {
    const { reservationId, paymentIntentId } = await stack.opened()
    const stray = await stack.stripe.client.paymentIntents.create({
      ...{ amount: 1_234, currency: 'usd', payment_method: 'pm_card_visa', confirm: true },
      ...{ return_url: 'https://example.com', metadata: { reservationId, attempt: '99' } },
    })
    await stack.stripe.release()
    await eventually('the stray payment is known', async () => {
      const rows = await stack.database.many(intents, [reservationId])
      return rows.some(({ id }) => id === stray.id)
    })
    expect(await stack.read(reservationId)).toMatchObject({
      ...{ paymentIntentId, stripeStatus: 'requires_payment_method', captures: [] },
    })
  })

  test('while Stripe is away answers with what was seen last', async () => {
    const { reservationId, paymentIntentId } = await stack.opened()
    await stack.stripe.fault('payment_intents.retrieve', 'reset_before_effect', 10)
    const payment = await stack.read(reservationId)
    expect(payment).toMatchObject({ paymentIntentId, stripeStatus: 'requires_payment_method' })
  })
})

describe('settling an intent', () => {
  test('that was paid records it and tells it', async () => {
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    expect(await stack.settle(reservationId, paymentIntentId)).toEqual({
      outcome: 'not_paid',
      stripeStatus: 'requires_payment_method',
    })
    await stack.stripe.payWith(cards.ok, { clientSecret })
    expect(await stack.settle(reservationId, paymentIntentId)).toMatchObject({ outcome: 'captured' })
    expect(await stack.hears(PaymentCaptured, reservationId)).toHaveLength(1)
  })

  test("of another reservation is rejected, and Stripe isn't asked", async () => {
    const theirs = await stack.opened()
    const { reservationId } = await stack.opened()
    for (const wrong of [theirs.paymentIntentId, 'pi_nothing'])
      expect(await stack.settle(reservationId, wrong)).toEqual({ outcome: 'rejected', reason: 'unknown_intent' })
    expect(await stack.stripe.requests('payment_intents.retrieve')).toEqual([])
  })

  test('whose metadata names another reservation is rejected', async () => {
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.client.paymentIntents.update(paymentIntentId, { metadata: { reservationId: randomUUID() } })
    await stack.stripe.payWith(cards.ok, { clientSecret })
    const reply = await stack.settle(reservationId, paymentIntentId)
    expect(reply).toEqual({ outcome: 'rejected', reason: 'metadata_mismatch' })
    expect(stack.heardOf(PaymentCaptured, reservationId)).toEqual([])
  })

  test('while Stripe is away is unavailable', async () => {
    const { reservationId, paymentIntentId } = await stack.opened()
    await stack.stripe.fault('payment_intents.retrieve', 'reset_before_effect', 10)
    expect(await stack.settle(reservationId, paymentIntentId)).toMatchObject({ outcome: 'unavailable' })
  })
})

describe('polling', () => {
  test('finds the payment whose webhook was lost', async () => {
    const { reservationId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.poll(reservationId)
    await stack.hears(PaymentCaptured, reservationId)
  })

  test('leaves it to the next round where Stripe is away, and leaves no failed message', async () => {
    const { reservationId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.stripe.fault('payment_intents.retrieve', 'error_500', 2)
    await stack.poll(reservationId, 1)
    await eventually(
      'Stripe was asked',
      async () => (await stack.stripe.requests('payment_intents.retrieve')).length >= 2,
    )
    await stack.poll(reservationId, 2)
    await stack.hears(PaymentCaptured, reservationId)
    expect(await stack.database.many(failures, [reservationId])).toEqual([])
  })

  test('tells again of the payment that was told and never heard', async () => {
    const { reservationId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.poll(reservationId, 1)
    const told = await stack.hears(PaymentCaptured, reservationId)
    await stack.forgetHeard()
    await stack.poll(reservationId, 2)
    expect(await stack.hears(PaymentCaptured, reservationId)).toEqual(told)
  })

  test('finds the decline whose webhook was lost, and tells each once', async () => {
    const { reservationId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.declined, { clientSecret })
    await stack.poll(reservationId, 1)
    await stack.hears(PaymentProgressed, reservationId)
    await stack.stripe.payWith(cards.insufficientFunds, { clientSecret })
    await stack.poll(reservationId, 2)
    await stack.poll(reservationId, 3)
    const told = await stack.hears(PaymentProgressed, reservationId, 2)
    expect(told.map(({ declineCode, revision }) => [declineCode, revision])).toEqual([
      ['generic_decline', 1],
      ['insufficient_funds', 2],
    ])
  })
})
