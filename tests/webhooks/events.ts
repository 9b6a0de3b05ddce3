import { randomUUID } from 'node:crypto'
import type Stripe from 'stripe'
import type { Answer } from '../support/api.ts'
import type { TestStack } from '../support/stack.ts'

/** Events that a test makes and signs itself, to have them at the very moment it wants. */

export interface Payload {
  readonly id: string
  readonly type: string
  readonly data: { object: unknown }
}

export const event = (type: string, object: unknown, created = Math.floor(Date.now() / 1_000)) => ({
  id: `evt_${randomUUID().replaceAll('-', '')}`,
  object: 'event',
  api_version: '2026-10-28.endive',
  created,
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type,
  data: { object },
})

export const succeeded = (intent: object) => event('payment_intent.succeeded', intent)

/** An intent as Stripe would show it once it was paid. */
export async function paidIntent(stack: TestStack, id: string): Promise<Stripe.PaymentIntent> {
  const intent = await stack.emulator.stripe.paymentIntents.retrieve(id)
  const latest_charge = `ch_${randomUUID().replaceAll('-', '')}`
  return { ...intent, status: 'succeeded', amount_received: intent.amount, latest_charge }
}

export function signed(stack: TestStack, text: string, options: { secret?: string; timestamp?: number } = {}): string {
  const { secret = stack.running.stack.stripeWebhookSecret, timestamp } = options
  return stack.emulator.stripe.webhooks.generateTestHeaderString({
    payload: text,
    secret,
    ...(timestamp !== undefined && { timestamp }),
  })
}

/** Delivers it as Stripe would. */
export function deliver(stack: TestStack, payload: Payload): Promise<Answer> {
  const body = JSON.stringify(payload)
  const headers = { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signed(stack, body) }
  return stack.api.send('POST', '/v1/webhooks/stripe', { body, headers })
}
