import type { Stripe } from 'stripe'
import { chargeCard, type Decline, declines } from './cards.ts'
import { chargeFor } from './charge.ts'
import { errors, withDocUrl } from './errors.ts'
import { newId } from './ids.ts'
import { type Answer, type Call, ok, unixSeconds } from './operation.ts'
import { checkStep, visibleTo, whenChallenged, whenCharged, whenFailed } from './payment-intent.ts'
import {
  attachToCustomer,
  changeFacts,
  checkUsable,
  createMethod,
  factsOf,
  type MethodEntry,
  methodFrom,
} from './payment-method-use.ts'

/** What a confirmation says, whether it came with `create` or by itself. */
export interface Confirmation {
  payment_method?: string
  payment_method_data?: MethodEntry
  return_url?: string
  use_stripe_sdk?: boolean
  off_session?: boolean | string
  error_on_requires_action?: boolean
}

export function confirmIntent(call: Call, intent: Stripe.PaymentIntent, params: Confirmation): Answer {
  checkStep(intent, 'confirm', visibleTo(call.caller, intent))
  const method = methodFor(call, intent, params)
  checkUsable(call, method, intent.customer as string | null)
  checkReturnUrl(call, intent, params)
  const confirmed = { ...intent, payment_method: method.id, last_payment_error: null }
  const { test, setUp } = factsOf(call.tx, method)
  const session = ['false', 'undefined'].includes(String(params.off_session)) ? 'on' : 'off'
  const result = chargeCard(test, { session, authenticated: false, setUp })
  if (result === 'charged') return charged(call, confirmed, method, false)
  if (result !== 'challenged') return declined(call, confirmed, method, result, false)
  if (params.error_on_requires_action) return declined(call, confirmed, method, declines.unauthenticated, false)
  const returnUrl = params.use_stripe_sdk ? undefined : params.return_url
  const waiting = whenChallenged(confirmed, newId('source'), returnUrl)
  call.tx.put('payment_intent', waiting)
  call.emit('payment_intent.requires_action', waiting)
  return ok(visibleTo(call.caller, waiting))
}

/** The customer did, or failed, what `next_action` asked. */
export function finishAuthentication(call: Call, intent: Stripe.PaymentIntent, succeeded: boolean): Answer {
  const method = call.tx.get('payment_method', intent.payment_method as string)
  if (intent.status !== 'requires_action' || method === undefined) {
    throw errors.refused(`PaymentIntent ${intent.id} waits for no authentication: its status is ${intent.status}.`)
  }
  if (!succeeded) return authenticationFailed(call, intent, method)
  const { test, setUp } = factsOf(call.tx, method)
  const result = chargeCard(test, { session: 'on', authenticated: true, setUp })
  if (result === 'charged') return charged(call, intent, method, true)
  if (result === 'challenged') throw new Error(`${method.id} asked twice for authentication`)
  return declined(call, intent, method, result, true)
}

function methodFor(call: Call, intent: Stripe.PaymentIntent, params: Confirmation): Stripe.PaymentMethod {
  if (params.payment_method !== undefined && params.payment_method_data !== undefined) {
    throw errors.parametersExclusive(['payment_method', 'payment_method_data'])
  }
  if (params.payment_method_data) return createMethod(call, params.payment_method_data, 'payment_method_data')
  if (params.payment_method) return methodFrom(call, params.payment_method, 'payment_method')
  if (typeof intent.payment_method === 'string') return methodFrom(call, intent.payment_method, 'payment_method')
  throw errors.intentState(
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
    'payment_intent',
    visibleTo(call.caller, intent) as Stripe.PaymentIntent,
  )
}

/** Stripe wants a way back whenever a redirecting payment method could be chosen; Stripe.js brings its own. */
function checkReturnUrl(call: Call, intent: Stripe.PaymentIntent, params: Confirmation): void {
  const redirects =
    intent.automatic_payment_methods?.enabled && intent.automatic_payment_methods.allow_redirects !== 'never'
  if (!redirects || call.caller === 'publishable' || params.return_url || params.use_stripe_sdk) return
  throw errors.refused(
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
  )
}

function charged(
  call: Call,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  authenticated: boolean,
): Answer {
  const { customer } = intent
  const { setUp } = factsOf(call.tx, method)
  if (typeof customer === 'string' && intent.setup_future_usage) {
    attachToCustomer(call, method, customer)
    if (!setUp && intent.setup_future_usage === 'off_session') changeFacts(call, method, { setUp: true })
  } else if (method.customer === null && !intent.setup_future_usage) {
    changeFacts(call, method, { spent: true })
  }
  const charge = chargeFor(intent, method, { id: newId('charge'), at: unixSeconds(call.now), authenticated })
  const paid = whenCharged(intent, charge)
  call.tx.put('charge', charge)
  call.tx.put('payment_intent', paid)
  call.emit('charge.succeeded', charge)
  call.emit(charge.captured ? 'payment_intent.succeeded' : 'payment_intent.amount_capturable_updated', paid)
  return ok(visibleTo(call.caller, paid))
}

function declined(
  call: Call,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  decline: Decline,
  authenticated: boolean,
): Answer {
  const attempt = { id: newId('charge'), at: unixSeconds(call.now), authenticated, decline }
  const charge = chargeFor(intent, method, attempt)
  const error = withDocUrl({ charge: charge.id, ...decline, payment_method: method, type: 'card_error' as const })
  const failed = whenFailed(intent, error)
  call.tx.put('charge', charge)
  call.tx.put('payment_intent', failed)
  call.emit('charge.failed', charge)
  call.emit('payment_intent.payment_failed', failed)
  return { status: 402, body: { error: { ...error, payment_intent: visibleTo(call.caller, failed) } } }
}

function authenticationFailed(call: Call, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod): Answer {
  const failed = whenFailed(intent, {
    code: 'payment_intent_authentication_failure',
    message:
      'The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.',
    payment_method: method,
    type: 'invalid_request_error',
  })
  call.tx.put('payment_intent', failed)
  call.emit('payment_intent.payment_failed', failed)
  return ok(failed)
}
