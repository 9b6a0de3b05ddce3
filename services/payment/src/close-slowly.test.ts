import { randomUUID } from 'node:crypto'
import { PaymentClosed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type MeddledStack, startMeddledStack } from './between.fixture.ts'
import { webhookSecret } from './payment.fixture.ts'
import { signatureOf } from './stripe.fixture.ts'

let stack: MeddledStack

beforeAll(async () => {
  stack = await startMeddledStack()
})
afterAll(() => stack.stop())

const findClosing = statement<{ tries: number; pause: number }>(
  'test.find-closing',
  `select close_tries as tries, extract(epoch from close_at - now())::float as pause from payment
   where reservation_id = $1 and state = 'closing'`,
)
const closeNow = statement(
  'test.close-now',
  `update payment set close_at = now(), close_tries = $2 where reservation_id = $1 and state = 'closing'`,
)

/** The pause in seconds that follows a number of tries. */
const pauseAfter = async (reservationId: string, tries: number) =>
  eventually(`${tries} tries`, async () => {
    const closing = await stack.database.maybeOne(findClosing, [reservationId])
    return closing?.tries === tries && closing.pause
  })

async function takeEvent(type: string, object: object) {
  const event = { object: 'event', id: `evt_${randomUUID()}`, type, created: Math.floor(Date.now() / 1_000) + 1 }
  const body = JSON.stringify({ ...event, data: { object } })
  const headers = {
    'content-type': 'application/json',
    'stripe-signature': signatureOf(body, webhookSecret, Math.floor(Date.now() / 1_000)),
  }
  expect((await fetch(`${stack.url}/v1/webhooks/stripe`, { method: 'POST', headers, body })).status).toBe(200)
}

test('an intent that the bank takes days over is cancelled ever less often, and at once when the bank has decided', async () => {
  const { reservationId, paymentIntentId } = await stack.opened()
  const intent = await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)
  stack.meddle(async (call) => {
    if (call !== `POST /v1/payment_intents/${paymentIntentId}/cancel`) return undefined
    const error = {
      type: 'invalid_request_error',
      code: 'payment_intent_unexpected_state',
      message: 'You cannot cancel this PaymentIntent because it has a status of processing.',
      payment_intent: { ...intent, status: 'processing' },
    }
    return { status: 400, body: { error } }
  })
  await stack.close(reservationId)
  const pauses: number[] = []
  for (const tries of [1, 2, 3]) {
    pauses.push(await pauseAfter(reservationId, tries))
    await stack.database.run(closeNow, [reservationId, tries === 3 ? 20 : tries])
  }
  pauses.push(await pauseAfter(reservationId, 21))
  // Less what passed until they were looked at.
  for (const [index, longest] of [1.5, 3, 6, 300].entries()) {
    expect(pauses[index]).toBeLessThanOrEqual(longest)
    expect(pauses[index]).toBeGreaterThan(longest - 1)
  }

  stack.meddle(async () => undefined)
  expect(stack.heardOf(PaymentClosed, reservationId)).toEqual([])
  await takeEvent('payment_intent.payment_failed', {
    ...intent,
    status: 'requires_payment_method',
    last_payment_error: { code: 'card_declined' },
  })
  await stack.hears(PaymentClosed, reservationId)
})
