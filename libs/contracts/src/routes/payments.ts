import { z } from 'zod'
import { defineRoute } from '../route.ts'
import { Id, Timestamp, text } from '../values.ts'

const service = 'payment'

/** Any string: what is not one of the caller's own saved cards is answered with 404, whatever it looks like. */
const ByMethod = z.object({ id: text(255, 1) })

export const PaymentMethod = z.object({
  id: Id,
  type: z.literal('card'),
  last4: z.string(),
  /** The display name: `Visa`. */
  brand: z.string(),
  /** Two digits. */
  expMonth: z.string(),
  /** Four digits. */
  expYear: z.string(),
  isDefault: z.boolean(),
  nickname: z.string().nullable(),
  createdAt: Timestamp,
})
export type PaymentMethodView = z.infer<typeof PaymentMethod>

const Done = z.object({ success: z.literal(true), message: z.string() })

export const listPaymentMethods = defineRoute({
  service,
  method: 'GET',
  url: '/v1/payments/methods',
  summary: "List the caller's saved cards",
  auth: 'user',
  reply: z.object({ success: z.literal(true), data: z.array(PaymentMethod) }),
})

export const addPaymentMethod = defineRoute({
  service,
  method: 'POST',
  url: '/v1/payments/methods',
  summary: 'Save a card that Stripe.js has made',
  auth: 'user',
  body: z.object({ paymentMethodId: text(255, 1), nickname: text(100).nullish() }),
  reply: z.object({ success: z.literal(true), data: PaymentMethod }),
  errors: ['PAYMENT_METHOD_NOT_FOUND', 'PAYMENT_CARD_DECLINED', 'PAYMENT_PROCESSING_FAILED'],
})

export const deletePaymentMethod = defineRoute({
  service,
  method: 'DELETE',
  url: '/v1/payments/methods/:id',
  summary: 'Remove a saved card',
  auth: 'user',
  params: ByMethod,
  reply: Done,
  errors: ['PAYMENT_METHOD_NOT_FOUND'],
})

export const setDefaultPaymentMethod = defineRoute({
  service,
  method: 'PUT',
  url: '/v1/payments/methods/:id/default',
  summary: 'Make a saved card the default',
  auth: 'user',
  params: ByMethod,
  reply: Done,
  errors: ['PAYMENT_METHOD_NOT_FOUND'],
})

/** The body is read raw: the signature is over its bytes. */
export const stripeWebhook = defineRoute({
  service,
  method: 'POST',
  url: '/v1/webhooks/stripe',
  summary: "Stripe's events, authenticated by their signature",
  auth: 'none',
  repeatable: true,
  reply: z.object({ received: z.literal(true) }),
  errors: ['INVALID_SIGNATURE'],
})
