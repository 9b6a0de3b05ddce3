import type { Stripe } from 'stripe'
import { errors } from './errors.ts'
import { newId, randomText } from './ids.ts'
import { fromParam } from './lookup.ts'
import { type Call, unixSeconds } from './operation.ts'
import { mergeMetadata } from './parameters.ts'

export function blankCustomer(now: Date): Stripe.Customer {
  return {
    id: newId('customer'),
    object: 'customer',
    address: null,
    balance: 0,
    created: unixSeconds(now),
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: null,
    invoice_prefix: randomText(8).toUpperCase(),
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    livemode: false,
    metadata: {},
    name: null,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  }
}

const COPIED = ['address', 'description', 'email', 'name', 'phone', 'balance', 'preferred_locales', 'shipping'] as const

export function changedCustomer(
  customer: Stripe.Customer,
  params: Pick<Stripe.CustomerUpdateParams, (typeof COPIED)[number] | 'metadata'>,
): Stripe.Customer {
  const merged: Record<string, unknown> = { ...customer }
  for (const name of COPIED) {
    const value = params[name]
    if (value !== undefined) merged[name] = value === '' ? null : value
  }
  return { ...(merged as unknown as Stripe.Customer), metadata: mergeMetadata(customer.metadata, params.metadata) }
}

/** Sets the method that invoices are paid with, which must be the customer's own. */
export function withDefaultMethod(call: Call, customer: Stripe.Customer, id: string | undefined): Stripe.Customer {
  if (id === undefined) return customer
  if (id !== '' && fromParam(call.tx, 'payment_method', id, 'default_payment_method').customer !== customer.id) {
    throw errors.refused(
      `The customer does not have a payment method with the ID ${id}. The payment method must be attached to the customer.`,
      { code: 'resource_missing', param: 'invoice_settings[default_payment_method]' },
    )
  }
  const settings = { ...customer.invoice_settings, default_payment_method: id === '' ? null : id }
  const changed = { ...customer, invoice_settings: settings }
  call.tx.put('customer', changed)
  return changed
}
