import type { Stripe } from 'stripe'
import { confirmSetup, OPEN, type SetupConfirmation } from './confirm-setup.ts'
import { errors } from './errors.ts'
import { page } from './lists.ts'
import { fromPath, liveCustomer } from './lookup.ts'
import { blankSetup } from './new-intent.ts'
import { type Call, operation, operationThatMayDecline } from './operation.ts'
import {
  any,
  boolean,
  expand,
  type FieldsOf,
  mergeMetadata,
  metadata,
  oneOf,
  paging,
  range,
  string,
  text,
  unsupported,
} from './parameters.ts'
import { visibleTo } from './payment-intent.ts'
import { allowedTypes, automaticMethods, retrieveFields } from './payment-intent-fields.ts'
import { methodData } from './payment-method-fields.ts'
import { checkUsable, createMethod, type MethodEntry, methodFrom } from './payment-method-use.ts'

const shared = {
  allowed_payment_method_types: allowedTypes,
  expand,
  payment_method: string,
  payment_method_data: methodData,
  payment_method_options: any,
}
const kept = {
  ...shared,
  attach_to_self: unsupported,
  customer: string,
  customer_account: unsupported,
  description: text(1000),
  excluded_payment_method_types: allowedTypes,
  flow_directions: unsupported,
  metadata,
  payment_method_configuration: unsupported,
}
const confirming = {
  confirmation_token: unsupported,
  mandate_data: any,
  return_url: string,
  use_stripe_sdk: boolean,
}
const confirmFields: FieldsOf<Stripe.SetupIntentConfirmParams & { client_secret?: string; key?: string }> = {
  ...shared,
  ...confirming,
  client_secret: string,
  key: string,
}

export const setupIntentOperations = [
  operationThatMayDecline<Stripe.SetupIntentCreateParams>({
    name: 'setup_intents.create',
    method: 'POST',
    path: '/v1/setup_intents',
    fields: {
      ...kept,
      ...confirming,
      automatic_payment_methods: automaticMethods,
      confirm: boolean,
      on_behalf_of: unsupported,
      single_use: unsupported,
      usage: oneOf('off_session', 'on_session'),
    },
    run: (call) => {
      if (call.params.customer) liveCustomer(call.tx, call.params.customer)
      const created = withMethod(call, blankSetup(call.params, call.now), call.params as SetupConfirmation)
      call.tx.put('setup_intent', created)
      call.emit('setup_intent.created', created)
      if (!call.params.confirm) return { status: 200, body: created }
      const { payment_method: _, payment_method_data: __, ...rest } = call.params
      return confirmSetup(call, created, rest)
    },
  }),
  operation<Stripe.SetupIntentRetrieveParams>({
    name: 'setup_intents.retrieve',
    method: 'GET',
    path: '/v1/setup_intents/:id',
    access: 'client',
    fields: retrieveFields,
    run: (call) => visibleTo(call.caller, askedFor(call)),
  }),
  operation<Stripe.SetupIntentListParams>({
    name: 'setup_intents.list',
    method: 'GET',
    path: '/v1/setup_intents',
    fields: {
      ...paging,
      attach_to_self: unsupported,
      created: range,
      customer: string,
      customer_account: unsupported,
      expand,
      payment_method: string,
    },
    run: ({ tx, params }) => {
      const of = params.customer ? { member: 'customer', value: params.customer } : undefined
      const matches = (setup: Stripe.SetupIntent) =>
        !params.payment_method || setup.payment_method === params.payment_method
      return page('/v1/setup_intents', tx.newestFirst('setup_intent', of), params, matches)
    },
  }),
  operation<Stripe.SetupIntentUpdateParams>({
    name: 'setup_intents.update',
    method: 'POST',
    path: '/v1/setup_intents/:id',
    fields: kept,
    run: (call) => {
      const setup = open(call, 'updated')
      if (call.params.customer) liveCustomer(call.tx, call.params.customer)
      const changed = {
        ...setup,
        customer: call.params.customer ?? setup.customer,
        description: call.params.description ?? setup.description,
        metadata: mergeMetadata(setup.metadata, call.params.metadata),
      }
      const after = withMethod(call, changed, call.params as SetupConfirmation)
      call.tx.put('setup_intent', after)
      return after
    },
  }),
  operationThatMayDecline<Stripe.SetupIntentConfirmParams & { client_secret?: string; key?: string }>({
    name: 'setup_intents.confirm',
    method: 'POST',
    path: '/v1/setup_intents/:id/confirm',
    access: 'client',
    fields: confirmFields,
    run: (call) => confirmSetup(call, askedFor(call), call.params as SetupConfirmation),
  }),
  operation<Stripe.SetupIntentCancelParams>({
    name: 'setup_intents.cancel',
    method: 'POST',
    path: '/v1/setup_intents/:id/cancel',
    fields: { cancellation_reason: oneOf('abandoned', 'requested_by_customer', 'duplicate'), expand },
    run: (call) => {
      const canceled: Stripe.SetupIntent = {
        ...open(call, 'canceled'),
        status: 'canceled',
        cancellation_reason: call.params.cancellation_reason ?? null,
        next_action: null,
      }
      call.tx.put('setup_intent', canceled)
      call.emit('setup_intent.canceled', canceled)
      return canceled
    },
  }),
]

function open(call: Call, step: string): Stripe.SetupIntent {
  const setup = fromPath(call.tx, 'setup_intent', call.path.id)
  if (OPEN.includes(setup.status)) return setup
  throw errors.intentState(
    `This SetupIntent could not be ${step} because it has a status of ${setup.status}. Only a SetupIntent with one of the following statuses may be ${step}: ${OPEN.join(', ')}.`,
    'setup_intent',
    setup,
  )
}

function askedFor(call: Call<{ client_secret?: string }>): Stripe.SetupIntent {
  const setup = fromPath(call.tx, 'setup_intent', call.path.id)
  const { client_secret } = call.params
  if (call.caller === 'publishable' && client_secret === undefined) throw errors.parameterMissing('client_secret')
  if (client_secret !== undefined && client_secret !== setup.client_secret) {
    throw errors.refused(
      'The client_secret provided does not match the client_secret associated with the SetupIntent.',
      { code: 'setup_intent_invalid_parameter', param: 'client_secret' },
    )
  }
  return setup
}

function withMethod(call: Call, setup: Stripe.SetupIntent, params: SetupConfirmation): Stripe.SetupIntent {
  if (params.payment_method === undefined && params.payment_method_data === undefined) return setup
  const method = params.payment_method_data
    ? createMethod(call, params.payment_method_data as MethodEntry, 'payment_method_data')
    : methodFrom(call, params.payment_method ?? '', 'payment_method')
  checkUsable(call, method, setup.customer as string | null)
  return { ...setup, payment_method: method.id, status: 'requires_confirmation' }
}
