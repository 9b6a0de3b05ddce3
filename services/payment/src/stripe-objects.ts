import { StripeStatus } from '@holdfast/contracts/messages/payment'
import { z } from 'zod'
import type { SeenIntent } from './payment.ts'

/**
 * Stripe's objects as far as we look at them. The library believes any body without an `error` key, so each is checked to be
 * what was asked for: a body that is not leaves the outcome of its call unknown.
 */

/** An id, or the object in its place where it was expanded. */
const Ref = z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]).nullable()
const fromSeconds = z.number().transform((seconds) => new Date(seconds * 1_000))

const LatestCharge = z.union([
  z.string().transform((id) => ({ id, amount_refunded: null })),
  z.object({ id: z.string(), amount_refunded: z.int() }),
])

const IntentObject = z.object({
  object: z.literal('payment_intent'),
  id: z.string().startsWith('pi_'),
  // Stripe may add a status at any time.
  status: StripeStatus.catch('unknown'),
  amount_received: z.int(),
  currency: z.string(),
  metadata: z.record(z.string(), z.string()),
  client_secret: z.string().nullable(),
  customer: Ref,
  setup_future_usage: z.string().nullable(),
  payment_method: Ref,
  latest_charge: LatestCharge.nullable(),
  next_action: z.object({ type: z.string() }).nullable(),
  last_payment_error: z.object({ code: z.string().optional(), decline_code: z.string().optional() }).nullable(),
})

export const Intent = IntentObject.transform(
  (intent): SeenIntent => ({
    id: intent.id,
    status: intent.status,
    amountReceivedMinor: intent.amount_received,
    currency: intent.currency,
    ...oursIn(intent.metadata),
    clientSecret: intent.client_secret,
    customer: intent.customer,
    savesCard: intent.setup_future_usage !== null,
    stripeMethodId: intent.payment_method,
    chargeId: intent.latest_charge?.id ?? null,
    amountRefundedMinor: intent.latest_charge?.amount_refunded ?? null,
    actionType: actionTypeOf(intent),
    declineCode: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? null,
    hasFailed: intent.last_payment_error !== null,
  }),
)

/** What we wrote on our own intents. Others on the same account may have written anything. */
const Ours = z.object({
  reservationId: z.guid().nullable().catch(null).default(null),
  attempt: z.coerce.number().int().min(1).max(2_147_483_647).nullable().catch(null).default(null),
})
const oursIn = (metadata: Record<string, string>) => Ours.parse(metadata)

function actionTypeOf({ status, next_action }: z.infer<typeof IntentObject>): SeenIntent['actionType'] {
  if (status !== 'requires_action') return null
  return next_action?.type === 'redirect_to_url' ? 'redirect_to_url' : 'use_stripe_sdk'
}

export const Customer = z
  .object({ object: z.literal('customer'), id: z.string().startsWith('cus_') })
  .transform(({ id }) => ({ id }))

export const Method = z
  .object({
    object: z.literal('payment_method'),
    id: z.string(),
    type: z.string(),
    customer: Ref,
    card: z
      .object({
        brand: z.string(),
        last4: z.string(),
        exp_month: z.int(),
        exp_year: z.int(),
        fingerprint: z.string().nullish(),
      })
      .nullish(),
  })
  .transform(({ id, customer, card }) => ({
    id,
    customer,
    /** Null when it is no card. Without a fingerprint a card is the same as itself only. */
    card: card
      ? {
          brand: card.brand,
          last4: card.last4,
          expMonth: card.exp_month,
          expYear: card.exp_year,
          fingerprint: card.fingerprint ?? id,
        }
      : null,
  }))
export type SeenMethod = z.infer<typeof Method>

export const Refund = z
  .object({
    object: z.literal('refund'),
    id: z.string(),
    amount: z.int(),
    status: z.string().nullable(),
    reason: z.string().nullable(),
    created: fromSeconds,
    metadata: z.record(z.string(), z.string()).nullable(),
  })
  .transform(({ id, amount, status, reason, created, metadata }) => ({
    id,
    amountMinor: amount,
    status: status ?? 'unknown',
    reason,
    createdAt: created,
    /** What we wrote on those we made. */
    cause: z
      .enum(['late', 'duplicate', 'mismatch'])
      .nullable()
      .catch(null)
      .parse(metadata?.cause ?? null),
  }))
export type SeenRefund = z.infer<typeof Refund>

export const Refunds = z.object({ object: z.literal('list'), data: z.array(Refund) }).transform(({ data }) => data)

export const Event = z
  .object({
    object: z.literal('event'),
    // Signed, so ours to keep as it is; only what Postgres cannot store is refused.
    id: z
      .string()
      .startsWith('evt_')
      .max(255)
      .regex(/^[^\0]+$/),
    type: z
      .string()
      .max(255)
      .regex(/^[^\0]+$/),
    created: fromSeconds,
    data: z.object({ object: z.unknown() }),
  })
  .transform(({ id, type, created, data }) => ({ id, type, createdAt: created, object: data.object }))
export type StripeEvent = z.infer<typeof Event>

/** The intent that a charge or a refund is about. */
export const AboutIntent = z.object({ payment_intent: Ref }).transform((object) => object.payment_intent)
