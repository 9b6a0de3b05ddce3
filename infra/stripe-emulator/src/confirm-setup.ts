import type { Stripe } from 'stripe'
import { saveCard } from './cards.ts'
import { errors, withDocUrl } from './errors.ts'
import { newId } from './ids.ts'
import { type Answer, type Call, ok } from './operation.ts'
import { challenge, visibleTo } from './payment-intent.ts'
import {
  attachToCustomer,
  changeFacts,
  checkUsable,
  createMethod,
  factsOf,
  type MethodEntry,
  methodFrom,
} from './payment-method-use.ts'

export const OPEN: readonly string[] = ['requires_payment_method', 'requires_confirmation', 'requires_action']

export interface SetupConfirmation {
  payment_method?: string
  payment_method_data?: MethodEntry
  return_url?: string
  use_stripe_sdk?: boolean
}

export function confirmSetup(call: Call, setup: Stripe.SetupIntent, params: SetupConfirmation): Answer {
  const shown = visibleTo(call.caller, setup)
  if (!OPEN.includes(setup.status)) {
    throw errors.intentState(
      `You cannot confirm this SetupIntent because it has a status of ${setup.status}.`,
      'setup_intent',
      shown,
    )
  }
  const given = params.payment_method ?? (setup.payment_method as string | null)
  if (given === null && params.payment_method_data === undefined) {
    throw errors.intentState(
      "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a payment method and then confirm it again.",
      'setup_intent',
      shown,
    )
  }
  const method = params.payment_method_data
    ? createMethod(call, params.payment_method_data, 'payment_method_data')
    : methodFrom(call, given ?? '', 'payment_method')
  checkUsable(call, method, setup.customer as string | null)
  const returnUrl = params.use_stripe_sdk ? undefined : params.return_url
  return save(call, { ...setup, payment_method: method.id, last_setup_error: null }, method, false, returnUrl)
}

/** The customer did, or failed, what `next_action` asked. */
export function finishSetupAuthentication(call: Call, setup: Stripe.SetupIntent, succeeded: boolean): Answer {
  const method = call.tx.get('payment_method', setup.payment_method as string)
  if (setup.status !== 'requires_action' || method === undefined) {
    throw errors.refused(`SetupIntent ${setup.id} waits for no authentication: its status is ${setup.status}.`)
  }
  if (succeeded) return save(call, setup, method, true, undefined)
  const failed = failedSetup(call, setup, {
    code: 'setup_intent_authentication_failure',
    message:
      'The latest attempt to set up the payment method has failed because authentication failed. You can provide a new payment method to retry.',
    payment_method: method,
    type: 'invalid_request_error',
  })
  return ok(failed)
}

function save(
  call: Call,
  setup: Stripe.SetupIntent,
  method: Stripe.PaymentMethod,
  authenticated: boolean,
  returnUrl: string | undefined,
): Answer {
  const result = saveCard(factsOf(call.tx, method).test, authenticated)
  if (result === 'saved') {
    if (typeof setup.customer === 'string') attachToCustomer(call, method, setup.customer)
    if (setup.usage === 'off_session') changeFacts(call, method, { setUp: true })
    const done: Stripe.SetupIntent = { ...setup, status: 'succeeded', next_action: null }
    call.tx.put('setup_intent', done)
    call.emit('setup_intent.succeeded', done)
    return ok(visibleTo(call.caller, done))
  }
  if (result === 'challenged') {
    const next_action = challenge(setup.id, newId('source'), returnUrl)
    const waiting: Stripe.SetupIntent = { ...setup, status: 'requires_action', next_action }
    call.tx.put('setup_intent', waiting)
    call.emit('setup_intent.requires_action', waiting)
    return ok(visibleTo(call.caller, waiting))
  }
  const error = withDocUrl({ ...result, payment_method: method, type: 'card_error' as const })
  const failed = failedSetup(call, setup, error)
  return { status: 402, body: { error: { ...error, setup_intent: visibleTo(call.caller, failed) } } }
}

function failedSetup(
  call: Call,
  setup: Stripe.SetupIntent,
  error: Stripe.SetupIntent.LastSetupError,
): Stripe.SetupIntent {
  const failed: Stripe.SetupIntent = {
    ...setup,
    status: 'requires_payment_method',
    payment_method: null,
    next_action: null,
    last_setup_error: error,
  }
  call.tx.put('setup_intent', failed)
  call.emit('setup_intent.setup_failed', failed)
  return failed
}
