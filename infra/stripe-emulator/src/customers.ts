import type { Stripe } from 'stripe'
import { blankCustomer, changedCustomer, withDefaultMethod } from './customer.ts'
import { errors } from './errors.ts'
import { page } from './lists.ts'
import { fromPath } from './lookup.ts'
import { type Call, changedFrom, operation } from './operation.ts'
import {
  address,
  any,
  array,
  expand,
  type FieldsOf,
  integer,
  metadata,
  object,
  orUnset,
  paging,
  range,
  string,
  text,
  unsupported,
} from './parameters.ts'
import { listedMethodTypes } from './payment-method-fields.ts'
import { attachToCustomer, detachFromCustomer, methodFrom } from './payment-method-use.ts'

const shared = {
  address,
  balance: integer,
  business_name: orUnset(text(150)),
  cash_balance: unsupported,
  description: orUnset(string),
  email: orUnset(text(512)),
  expand,
  individual_name: orUnset(text(150)),
  invoice_prefix: string,
  invoice_settings: object({
    custom_fields: any,
    default_payment_method: orUnset(string),
    footer: orUnset(string),
    rendering_options: any,
  }),
  metadata,
  name: orUnset(text(256)),
  next_invoice_sequence: integer,
  phone: orUnset(text(20)),
  preferred_locales: array(string),
  shipping: any,
  source: unsupported,
  tax: unsupported,
  tax_exempt: any,
  validate: any,
} satisfies Partial<FieldsOf<Stripe.CustomerCreateParams>>

export const customerOperations = [
  operation<Stripe.CustomerCreateParams>({
    name: 'customers.create',
    method: 'POST',
    path: '/v1/customers',
    fields: { ...shared, payment_method: string, tax_id_data: unsupported, test_clock: unsupported },
    run: (call) => {
      const customer = changedCustomer(blankCustomer(call.now), call.params)
      call.tx.put('customer', customer)
      call.emit('customer.created', customer)
      if (call.params.payment_method) {
        attachToCustomer(call, methodFrom(call, call.params.payment_method, 'payment_method'), customer.id)
      }
      return withDefaultMethod(call, customer, call.params.invoice_settings?.default_payment_method)
    },
  }),
  operation<Stripe.CustomerRetrieveParams>({
    name: 'customers.retrieve',
    method: 'GET',
    path: '/v1/customers/:id',
    fields: { expand },
    run: ({ tx, path }) => fromPath(tx, 'customer', path.id),
  }),
  operation<Stripe.CustomerUpdateParams>({
    name: 'customers.update',
    method: 'POST',
    path: '/v1/customers/:id',
    fields: { ...shared, default_source: unsupported },
    run: (call) => {
      const before = live(call)
      const merged = changedCustomer(before, call.params)
      const after = withDefaultMethod(call, merged, call.params.invoice_settings?.default_payment_method)
      call.tx.put('customer', after)
      call.emit('customer.updated', after, changedFrom(before, after))
      return after
    },
  }),
  operation<Stripe.CustomerDeleteParams>({
    name: 'customers.del',
    method: 'DELETE',
    path: '/v1/customers/:id',
    fields: {},
    run: (call) => {
      const customer = live(call)
      for (const method of call.tx.newestFirst('payment_method', { member: 'customer', value: customer.id })) {
        detachFromCustomer(call, method)
      }
      const gone: Stripe.DeletedCustomer = { id: customer.id, object: 'customer', deleted: true }
      call.tx.put('customer', gone)
      call.emit('customer.deleted', customer)
      return gone
    },
  }),
  operation<Stripe.CustomerListParams>({
    name: 'customers.list',
    method: 'GET',
    path: '/v1/customers',
    fields: { ...paging, created: range, email: string, expand, test_clock: unsupported },
    run: ({ tx, params }) =>
      page('/v1/customers', tx.newestFirst('customer'), params, (customer) => {
        return !customer.deleted && (params.email === undefined || customer.email === params.email)
      }),
  }),
  operation<Stripe.CustomerListPaymentMethodsParams>({
    name: 'customers.listPaymentMethods',
    method: 'GET',
    path: '/v1/customers/:id/payment_methods',
    fields: { ...paging, allow_redisplay: any, expand, type: listedMethodTypes },
    run: (call) => {
      const { id } = live(call)
      const methods = call.tx.newestFirst('payment_method', { member: 'customer', value: id })
      const { type } = call.params
      return page(
        `/v1/customers/${id}/payment_methods`,
        methods,
        call.params,
        (m) => type === undefined || m.type === type,
      )
    },
  }),
  operation<Stripe.CustomerRetrievePaymentMethodParams>({
    name: 'customers.retrievePaymentMethod',
    method: 'GET',
    path: '/v1/customers/:id/payment_methods/:payment_method',
    fields: { expand },
    run: (call) => {
      const { id } = live(call)
      const method = fromPath(call.tx, 'payment_method', call.path.payment_method)
      if (method.customer !== id) throw errors.noSuch('PaymentMethod', method.id, 'payment_method', 404)
      return method
    },
  }),
]

function live(call: Call): Stripe.Customer {
  const customer = fromPath(call.tx, 'customer', call.path.id)
  if (customer.deleted) throw errors.noSuch('customer', customer.id, 'id', 404)
  return customer as Stripe.Customer
}
