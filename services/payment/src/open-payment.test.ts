import { randomUUID } from 'node:crypto'
import { PaymentCaptured } from '@holdfast/contracts/messages/payment'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: PaymentStack

beforeAll(async () => {
  stack = await startPaymentStack()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

/** Opens a payment and expects an intent that waits for the guest. */
async function opened(wanted: Parameters<PaymentStack['open']>[0] = {}) {
  const reservationId = wanted.reservationId ?? randomUUID()
  const reply = await stack.open({ ...wanted, reservationId })
  if (reply.outcome !== 'open') throw new Error(`expected an open intent, got ${JSON.stringify(reply)}`)
  return { ...reply, reservationId }
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
})
