import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentClosed, PaymentRefunded } from '@holdfast/contracts/messages/payment'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: PaymentStack

beforeAll(async () => {
  stack = await startPaymentStack()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

async function paid() {
  const opened = await stack.opened()
  await stack.stripe.payWith(cards.ok, opened)
  await stack.hears(PaymentCaptured, opened.reservationId)
  return opened
}

const refundsOf = async (paymentIntentId: string) =>
  (await stack.stripe.client.refunds.list({ payment_intent: paymentIntentId })).data

describe('a refund of ours', () => {
  test('gives all of it back, once, however often it is asked for, and says so each time', async () => {
    const { reservationId, paymentIntentId } = await paid()
    await stack.refund(reservationId, paymentIntentId, 'late')
    const [refunded] = await stack.hears(PaymentRefunded, reservationId)
    expect(refunded).toMatchObject({ cause: 'late', capturedMinor: 15_000, amountRefundedMinor: 15_000 })
    await stack.forgetHeard()
    await stack.refund(reservationId, paymentIntentId, 'late')
    await stack.refund(reservationId, paymentIntentId, 'duplicate')
    expect(await stack.hears(PaymentRefunded, reservationId)).toEqual([refunded])
    expect(await refundsOf(paymentIntentId)).toMatchObject([{ amount: 15_000, metadata: { cause: 'late' } }])
  })

  test('is made once, although its answer was lost', async () => {
    const { reservationId, paymentIntentId } = await paid()
    await stack.stripe.fault('refunds.create', 'reset_after_effect', 3)
    await stack.refund(reservationId, paymentIntentId, 'duplicate')
    const [refunded] = await stack.hears(PaymentRefunded, reservationId)
    expect(refunded.cause).toBe('duplicate')
    expect(await refundsOf(paymentIntentId)).toHaveLength(1)
  })

  test('is made when Stripe is back', async () => {
    const { reservationId, paymentIntentId } = await paid()
    await stack.stripe.fault('refunds.create', 'error_500', 3)
    await stack.refund(reservationId, paymentIntentId)
    await stack.hears(PaymentRefunded, reservationId)
    expect(await refundsOf(paymentIntentId)).toHaveLength(1)
  })
})

describe('a refund made in the dashboard', () => {
  test('is recorded and told, each with the sum so far', async () => {
    const { reservationId, paymentIntentId } = await paid()
    const refund = (amount: number) => stack.stripe.client.refunds.create({ payment_intent: paymentIntentId, amount })
    await refund(4_000)
    await stack.hears(PaymentRefunded, reservationId, 1)
    await refund(1_000)
    const told = await stack.hears(PaymentRefunded, reservationId, 2)
    expect(told.map(({ cause, amountRefundedMinor }) => [cause, amountRefundedMinor])).toEqual([
      ['external', 4_000],
      ['external', 5_000],
    ])
    const payment = await stack.read(reservationId)
    expect(payment).toMatchObject({ stripeStatus: 'succeeded', amountRefunded: 5_000 })
    expect(payment?.refunds.map(({ amount }) => amount).sort()).toEqual([1_000, 4_000])
    // Whoever has missed what was told reads the same, but for the sum as it is now.
    const now = told.map((one) => ({ ...one, amountRefundedMinor: 5_000 }))
    expect(payment?.returned).toEqual(expect.arrayContaining(now))
    expect(payment?.returned).toHaveLength(2)
  })

  test('is found by reading when its webhook was lost', async () => {
    const { reservationId, paymentIntentId } = await paid()
    await stack.stripe.webhooks({ drop: ['charge.refunded', 'refund.created'] })
    await stack.stripe.client.refunds.create({ payment_intent: paymentIntentId, amount: 500 })
    await stack.read(reservationId)
    expect(await stack.hears(PaymentRefunded, reservationId)).toMatchObject([{ amountRefundedMinor: 500 }])
  })

  test('that is heard of before its payment is told as a part of what was asked for', async () => {
    await stack.stripe.webhooks({ drop: ['payment_intent.succeeded'] })
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.stripe.client.refunds.create({ payment_intent: paymentIntentId, amount: 500 })
    // Whoever hears of the payment first, and of this after it, must not take it for all there was.
    expect(await stack.hears(PaymentRefunded, reservationId)).toMatchObject([
      { cause: 'external', capturedMinor: 15_000, amountRefundedMinor: 500 },
    ])
  })

  test('before anybody here knew that it was paid is found together with the payment', async () => {
    await stack.stripe.webhooks({ drop: ['charge.refunded', 'refund.created', 'payment_intent.succeeded'] })
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.stripe.client.refunds.create({ payment_intent: paymentIntentId, amount: 500 })
    await stack.poll(reservationId)
    await stack.hears(PaymentCaptured, reservationId)
    expect(await stack.hears(PaymentRefunded, reservationId)).toMatchObject([{ amountRefundedMinor: 500 }])
  })
})

describe('money of another amount or currency than ours', () => {
  test.each([{ amount: 14_999 }, { currency: 'eur' }])(
    'confirms nothing and is given back in full, once: %j',
    async (changed) => {
      const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
      await stack.stripe.client.paymentIntents.update(paymentIntentId, changed)
      await stack.stripe.webhooks({ duplicate: 3 })
      await stack.stripe.payWith(cards.ok, { clientSecret })
      const [refunded] = await stack.hears(PaymentRefunded, reservationId)
      expect(refunded).toMatchObject({ cause: 'mismatch', paymentIntentId })
      expect(await refundsOf(paymentIntentId)).toHaveLength(1)
      expect(stack.heardOf(PaymentCaptured, reservationId)).toEqual([])
      const reason = 'amount' in changed ? 'amount_mismatch' : 'currency_mismatch'
      expect(await stack.settle(reservationId, paymentIntentId)).toEqual({ outcome: 'rejected', reason })
    },
  )

  test('that comes for a reservation whose payment was never opened is given back as well', async () => {
    const reservationId = randomUUID()
    await stack.close(reservationId)
    await stack.hears(PaymentClosed, reservationId)
    const stray = await stack.stripe.client.paymentIntents.create({
      amount: 15_000,
      currency: 'usd',
      metadata: { reservationId, attempt: '1' },
    })
    await stack.stripe.payWith(cards.ok, { clientSecret: String(stray.client_secret) })
    expect(await stack.hears(PaymentRefunded, reservationId)).toMatchObject([{ cause: 'mismatch' }])
  })
})
