import type { Stripe } from 'stripe'
import { captureIntent } from './capture-intent.ts'
import { type Confirmation, confirmIntent } from './confirm-intent.ts'
import { errors } from './errors.ts'
import { page } from './lists.ts'
import { fromPath, liveCustomer } from './lookup.ts'
import { checkChargeable, checkCurrency } from './money.ts'
import { blankIntent } from './new-intent.ts'
import { type Call, ok, operation, operationThatMayDecline, unixSeconds } from './operation.ts'
import { expand, mergeMetadata, paging, range, string, unsupported } from './parameters.ts'
import { checkStep, visibleTo, whenCanceled } from './payment-intent.ts'
import {
  cancelFields,
  captureFields,
  confirmFields,
  createFields,
  retrieveFields,
  updateFields,
} from './payment-intent-fields.ts'
import { checkUsable, createMethod, type MethodEntry, methodFrom } from './payment-method-use.ts'

export const paymentIntentOperations = [
  operationThatMayDecline<Stripe.PaymentIntentCreateParams>({
    name: 'payment_intents.create',
    method: 'POST',
    path: '/v1/payment_intents',
    fields: createFields,
    run: (call) => {
      const { params } = call
      checkConfirmOnly(params)
      const currency = checkCurrency(params.currency)
      checkChargeable(params.amount, currency)
      if (params.customer) liveCustomer(call.tx, params.customer)
      const created = withMethod(call, blankIntent(params, currency, call.now), params as Confirmation)
      call.tx.put('payment_intent', created)
      call.emit('payment_intent.created', created)
      if (!params.confirm) return ok(created)
      const { payment_method: _, payment_method_data: __, ...rest } = params
      return confirmIntent(call, created, rest)
    },
  }),
  operation<Stripe.PaymentIntentRetrieveParams>({
    name: 'payment_intents.retrieve',
    method: 'GET',
    path: '/v1/payment_intents/:id',
    access: 'client',
    fields: retrieveFields,
    run: (call) => visibleTo(call.caller, askedFor(call)),
  }),
  operation<Stripe.PaymentIntentListParams>({
    name: 'payment_intents.list',
    method: 'GET',
    path: '/v1/payment_intents',
    fields: { ...paging, created: range, customer: string, customer_account: unsupported, expand },
    run: ({ tx, params }) => {
      const of = params.customer ? { member: 'customer', value: params.customer } : undefined
      return page('/v1/payment_intents', tx.newestFirst('payment_intent', of), params)
    },
  }),
  operation<Stripe.PaymentIntentUpdateParams>({
    name: 'payment_intents.update',
    method: 'POST',
    path: '/v1/payment_intents/:id',
    fields: updateFields,
    run: (call) => {
      const intent = updated(call, fromPath(call.tx, 'payment_intent', call.path.id))
      call.tx.put('payment_intent', intent)
      return intent
    },
  }),
  operationThatMayDecline<Stripe.PaymentIntentConfirmParams & { client_secret?: string }>({
    name: 'payment_intents.confirm',
    method: 'POST',
    path: '/v1/payment_intents/:id/confirm',
    access: 'client',
    fields: confirmFields,
    run: (call) => {
      const intent = askedFor(call)
      const { setup_future_usage, receipt_email, capture_method } = call.params
      const changed = {
        ...intent,
        ...(setup_future_usage !== undefined && { setup_future_usage: setup_future_usage || null }),
        ...(receipt_email !== undefined && { receipt_email: receipt_email || null }),
        ...(capture_method !== undefined && { capture_method }),
      }
      return confirmIntent(call, changed, call.params as Confirmation)
    },
  }),
  operation<Stripe.PaymentIntentCancelParams>({
    name: 'payment_intents.cancel',
    method: 'POST',
    path: '/v1/payment_intents/:id/cancel',
    fields: cancelFields,
    run: (call) => {
      const intent = fromPath(call.tx, 'payment_intent', call.path.id)
      checkStep(intent, 'cancel')
      if (intent.status === 'requires_capture') releaseAuthorization(call, intent)
      const canceled = whenCanceled(intent, unixSeconds(call.now), call.params.cancellation_reason)
      call.tx.put('payment_intent', canceled)
      call.emit('payment_intent.canceled', canceled)
      return canceled
    },
  }),
  operation<Stripe.PaymentIntentCaptureParams>({
    name: 'payment_intents.capture',
    method: 'POST',
    path: '/v1/payment_intents/:id/capture',
    fields: captureFields,
    run: (call) => captureIntent(call, fromPath(call.tx, 'payment_intent', call.path.id)),
  }),
]

/** The intent in the path; a publishable key must show that it was given this one's secret. */
function askedFor(call: Call<{ client_secret?: string }>): Stripe.PaymentIntent {
  const intent = fromPath(call.tx, 'payment_intent', call.path.id)
  const { client_secret } = call.params
  if (call.caller === 'publishable' && client_secret === undefined) throw errors.parameterMissing('client_secret')
  if (client_secret !== undefined && client_secret !== intent.client_secret) {
    throw errors.refused(
      'The client_secret provided does not match the client_secret associated with the PaymentIntent.',
      { code: 'payment_intent_invalid_parameter', param: 'client_secret' },
    )
  }
  return intent
}

function checkConfirmOnly(params: Stripe.PaymentIntentCreateParams): void {
  if (params.confirm) return
  for (const name of ['return_url', 'off_session', 'error_on_requires_action', 'mandate_data'] as const) {
    if (params[name] === undefined) continue
    throw errors.refused(`You can only use \`${name}\` when \`confirm=true\`.`, { param: name })
  }
}

/** A payment method given ahead of confirmation makes the intent wait for the confirmation alone. */
function withMethod(call: Call, intent: Stripe.PaymentIntent, params: Confirmation): Stripe.PaymentIntent {
  if (params.payment_method === undefined && params.payment_method_data === undefined) return intent
  if (params.payment_method !== undefined && params.payment_method_data !== undefined) {
    throw errors.parametersExclusive(['payment_method', 'payment_method_data'])
  }
  const method = params.payment_method_data
    ? createMethod(call, params.payment_method_data as MethodEntry, 'payment_method_data')
    : methodFrom(call, params.payment_method ?? '', 'payment_method')
  checkUsable(call, method, intent.customer as string | null)
  return { ...intent, payment_method: method.id, status: 'requires_confirmation', next_action: null }
}

const MONEY = ['amount', 'currency', 'customer', 'payment_method', 'payment_method_data', 'setup_future_usage'] as const

function updated(call: Call<Stripe.PaymentIntentUpdateParams>, intent: Stripe.PaymentIntent): Stripe.PaymentIntent {
  const { params } = call
  if (MONEY.some((name) => params[name] !== undefined)) checkStep(intent, 'changeMoney')
  if (params.customer !== undefined && intent.customer !== null && params.customer !== intent.customer) {
    throw errors.refused(
      'You cannot modify `customer` on a PaymentIntent once it already has been set. To fulfill a payment with a different Customer, cancel this PaymentIntent and create a new one.',
    )
  }
  if (params.customer) liveCustomer(call.tx, params.customer)
  const currency = checkCurrency(params.currency ?? intent.currency)
  const amount = params.amount ?? intent.amount
  checkChargeable(amount, currency)
  const resting = params.amount !== undefined && intent.status === 'requires_action'
  const changed: Stripe.PaymentIntent = {
    ...intent,
    ...(resting && { status: 'requires_confirmation', next_action: null }),
    amount,
    currency,
    customer: params.customer ?? intent.customer,
    capture_method: params.capture_method ?? intent.capture_method,
    description: params.description === '' ? null : (params.description ?? intent.description),
    metadata: mergeMetadata(intent.metadata, params.metadata),
    receipt_email: params.receipt_email === '' ? null : (params.receipt_email ?? intent.receipt_email),
    setup_future_usage:
      params.setup_future_usage === '' ? null : (params.setup_future_usage ?? intent.setup_future_usage),
    statement_descriptor: params.statement_descriptor ?? intent.statement_descriptor,
    statement_descriptor_suffix: params.statement_descriptor_suffix ?? intent.statement_descriptor_suffix,
    transfer_group: params.transfer_group ?? intent.transfer_group,
  }
  return withMethod(call, changed, params as Confirmation)
}

/** Canceling an authorized payment gives the whole of it back. */
function releaseAuthorization(call: Call, intent: Stripe.PaymentIntent): void {
  const charge = call.tx.get('charge', intent.latest_charge as string)
  if (charge === undefined) return
  const released = { ...charge, amount_refunded: charge.amount, refunded: true }
  call.tx.put('charge', released)
  call.emit('charge.refunded', released, { amount_refunded: 0, refunded: false })
}
