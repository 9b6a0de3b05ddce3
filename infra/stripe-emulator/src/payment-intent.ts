import type { Stripe } from 'stripe'
import { errors, withDocUrl } from './errors.ts'

type Status =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'requires_capture'
  | 'canceled'
  | 'succeeded'

/** From which statuses a step is possible, in the order in which Stripe's messages list them. */
export const intentSteps = {
  confirm: ['requires_payment_method', 'requires_confirmation', 'requires_action'],
  cancel: ['requires_payment_method', 'requires_capture', 'requires_confirmation', 'requires_action', 'processing'],
  capture: ['requires_capture'],
  changeMoney: ['requires_payment_method', 'requires_confirmation', 'requires_action'],
} as const satisfies Record<string, readonly Status[]>

/** Throws what Stripe says of a step that comes at the wrong time; the error carries the intent as it is. */
export function checkStep(intent: Stripe.PaymentIntent, step: keyof typeof intentSteps, shown: object = intent): void {
  const allowed: readonly string[] = intentSteps[step]
  if (!allowed.includes(intent.status)) throw errors.intentState(refusal(intent, step), 'payment_intent', shown)
}

function refusal(intent: Stripe.PaymentIntent, step: keyof typeof intentSteps): string {
  const only = `Only a PaymentIntent with one of the following statuses may be`
  const list = intentSteps[step].join(', ')
  switch (step) {
    case 'confirm':
      if (intent.status !== 'canceled') {
        return 'You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.'
      }
      return `You cannot confirm this PaymentIntent because it has a status of canceled. ${only} confirmed: requires_confirmation, requires_action.`
    case 'cancel':
      return `You cannot cancel this PaymentIntent because it has a status of ${intent.status}. ${only} canceled: ${list}.`
    case 'capture':
      return `This PaymentIntent could not be captured because it has a status of ${intent.status}. ${only} captured: ${list}.`
    case 'changeMoney':
      return `This PaymentIntent's amount could not be updated because it has a status of ${intent.status}. You may only update the amount of a PaymentIntent with one of the following statuses: ${list}.`
  }
}

export function whenCharged(intent: Stripe.PaymentIntent, charge: Stripe.Charge): Stripe.PaymentIntent {
  return {
    ...intent,
    status: charge.captured ? 'succeeded' : 'requires_capture',
    amount_received: charge.captured ? charge.amount : 0,
    amount_capturable: charge.captured ? 0 : charge.amount,
    latest_charge: charge.id,
    next_action: null,
    last_payment_error: null,
  }
}

/** A failed attempt leaves the intent open for another card. */
export function whenFailed(
  intent: Stripe.PaymentIntent,
  error: Stripe.PaymentIntent.LastPaymentError,
): Stripe.PaymentIntent {
  return {
    ...intent,
    status: 'requires_payment_method',
    payment_method: null,
    next_action: null,
    last_payment_error: withDocUrl(error as Parameters<typeof withDocUrl>[0]) as Stripe.PaymentIntent.LastPaymentError,
    ...(error.charge && { latest_charge: error.charge }),
  }
}

/** The customer must authenticate: by a redirect if we were told where to come back to, else by Stripe.js. */
export function whenChallenged(
  intent: Stripe.PaymentIntent,
  source: string,
  returnUrl: string | undefined,
): Stripe.PaymentIntent {
  return { ...intent, status: 'requires_action', next_action: challenge(intent.id, source, returnUrl) }
}

export function challenge(intentId: string, source: string, returnUrl: string | undefined) {
  if (returnUrl !== undefined) {
    const url = `https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_emulator&payment_intent=${intentId}&source=${source}`
    return { type: 'redirect_to_url', redirect_to_url: { return_url: returnUrl, url } }
  }
  return {
    type: 'use_stripe_sdk',
    use_stripe_sdk: {
      type: 'three_d_secure_redirect',
      source,
      stripe_js: `https://hooks.stripe.com/redirect/authenticate/${source}`,
    },
  }
}

export function whenCanceled(
  intent: Stripe.PaymentIntent,
  at: number,
  reason: Stripe.PaymentIntent.CancellationReason | undefined,
): Stripe.PaymentIntent {
  return {
    ...intent,
    status: 'canceled',
    canceled_at: at,
    cancellation_reason: reason ?? null,
    amount_capturable: 0,
    next_action: null,
  }
}

/** What a publishable key may see of an intent. */
const PUBLIC = [
  'id',
  'object',
  'amount',
  'automatic_payment_methods',
  'canceled_at',
  'cancellation_reason',
  'capture_method',
  'client_secret',
  'confirmation_method',
  'created',
  'currency',
  'description',
  'last_payment_error',
  'last_setup_error',
  'livemode',
  'next_action',
  'payment_method',
  'payment_method_types',
  'processing',
  'receipt_email',
  'setup_future_usage',
  'shipping',
  'source',
  'status',
  'usage',
]

export function visibleTo(caller: 'secret' | 'publishable', intent: object): object {
  if (caller === 'secret') return intent
  return Object.fromEntries(Object.entries(intent).filter(([name]) => PUBLIC.includes(name)))
}
