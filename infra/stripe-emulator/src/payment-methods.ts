import type { Stripe } from 'stripe'
import { errors } from './errors.ts'
import { page } from './lists.ts'
import { fromPath, liveCustomer } from './lookup.ts'
import { changedFrom, operation } from './operation.ts'
import {
  any,
  expand,
  integer,
  mergeMetadata,
  metadata,
  object,
  oneOf,
  paging,
  string,
  unsupported,
} from './parameters.ts'
import { billingDetails, listedMethodTypes, newCard, otherTypes, redisplay } from './payment-method-fields.ts'
import {
  attachToCustomer,
  billing,
  createMethod,
  detachFromCustomer,
  type MethodEntry,
  methodFrom,
} from './payment-method-use.ts'

export const paymentMethodOperations = [
  operation<Stripe.PaymentMethodCreateParams>({
    name: 'payment_methods.create',
    method: 'POST',
    path: '/v1/payment_methods',
    access: 'client',
    fields: {
      ...otherTypes,
      type: { ...oneOf('card', 'custom', ...Object.keys(otherTypes)), required: true },
      card: newCard,
      billing_details: billingDetails,
      metadata,
      allow_redisplay: redisplay,
      radar_options: any,
      expand,
      custom: unsupported,
      customer: unsupported,
      payment_method: unsupported,
    },
    run: (call) => createMethod(call, call.params as MethodEntry),
  }),
  operation<Stripe.PaymentMethodRetrieveParams>({
    name: 'payment_methods.retrieve',
    method: 'GET',
    path: '/v1/payment_methods/:id',
    fields: { expand },
    run: (call) => pathMethod(call),
  }),
  operation<Stripe.PaymentMethodUpdateParams>({
    name: 'payment_methods.update',
    method: 'POST',
    path: '/v1/payment_methods/:id',
    fields: {
      allow_redisplay: redisplay,
      billing_details: billingDetails,
      card: object({ exp_month: integer, exp_year: integer, networks: any }),
      expand,
      metadata,
      us_bank_account: unsupported,
    },
    run: (call) => {
      const before = pathMethod(call)
      if (before.customer === null) {
        throw errors.refused('You must save this PaymentMethod to a customer before you can update it.')
      }
      const after = updated(before, call.params)
      call.tx.put('payment_method', after)
      call.emit('payment_method.updated', after, changedFrom(before, after))
      return after
    },
  }),
  operation<Stripe.PaymentMethodListParams>({
    name: 'payment_methods.list',
    method: 'GET',
    path: '/v1/payment_methods',
    fields: {
      ...paging,
      allow_redisplay: redisplay,
      customer: string,
      customer_account: unsupported,
      expand,
      type: listedMethodTypes,
    },
    run: ({ tx, params }) => {
      const { customer, type } = params
      if (customer !== undefined) liveCustomer(tx, customer)
      const methods = tx.newestFirst('payment_method', customer ? { member: 'customer', value: customer } : undefined)
      return page('/v1/payment_methods', methods, params, (m) => type === undefined || m.type === type)
    },
  }),
  operation<Stripe.PaymentMethodAttachParams>({
    name: 'payment_methods.attach',
    method: 'POST',
    path: '/v1/payment_methods/:id/attach',
    fields: { customer: { type: 'string', required: true }, customer_account: unsupported, expand },
    run: (call) => {
      const method = pathMethod(call)
      const customer = liveCustomer(call.tx, call.params.customer ?? '')
      return attachToCustomer(call, method, customer.id)
    },
  }),
  operation<Stripe.PaymentMethodDetachParams>({
    name: 'payment_methods.detach',
    method: 'POST',
    path: '/v1/payment_methods/:id/detach',
    fields: { expand },
    run: (call) => {
      const method = pathMethod(call)
      if (method.customer === null) {
        throw errors.refused(
          'The payment method you provided is not attached to a customer so detachment is impossible.',
        )
      }
      return detachFromCustomer(call, method)
    },
  }),
]

/** A path may name a test token too: `pm_card_visa` is a new card each time. */
function pathMethod(call: Parameters<typeof methodFrom>[0]): Stripe.PaymentMethod {
  const id = call.path.id ?? ''
  return id.startsWith('pm_card_') ? methodFrom(call, id, 'payment_method') : fromPath(call.tx, 'payment_method', id)
}

function updated(method: Stripe.PaymentMethod, params: Stripe.PaymentMethodUpdateParams): Stripe.PaymentMethod {
  const { exp_month, exp_year } = params.card ?? {}
  return {
    ...method,
    allow_redisplay: params.allow_redisplay ?? method.allow_redisplay ?? 'unspecified',
    billing_details: billing(params.billing_details ?? {}, method.billing_details),
    ...(method.card && {
      card: {
        ...method.card,
        exp_month: exp_month ?? method.card.exp_month,
        exp_year: exp_year ?? method.card.exp_year,
      },
    }),
    metadata: mergeMetadata(method.metadata, params.metadata),
  }
}
