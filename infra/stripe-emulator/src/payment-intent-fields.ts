import type { Stripe } from 'stripe'
import {
  any,
  array,
  boolean,
  expand,
  type Field,
  type FieldsOf,
  metadata,
  object,
  oneOf,
  orUnset,
  required,
  string,
  text,
  unsupported,
} from './parameters.ts'
import { methodData, otherTypes } from './payment-method-fields.ts'

const captureMethod = oneOf('automatic', 'automatic_async', 'manual')
const futureUsage = oneOf('off_session', 'on_session')
const offSession: Field = { type: 'either', text: oneOf('true', 'false', 'one_off', 'recurring'), object: unsupported }
export const allowedTypes: Field = orUnset(array(string))
/** The smallest amount depends on the currency and is checked after these tables. */
const amount: Field = { type: 'integer', min: 1 }

export const automaticMethods: Field = object({
  enabled: required(boolean),
  allow_redirects: oneOf('always', 'never'),
} satisfies FieldsOf<Stripe.PaymentIntentCreateParams.AutomaticPaymentMethods>)

/** Options of the other methods change nothing where only cards are taken; those of a card that would, are refused. */
const methodOptions: Field = object({
  ...Object.fromEntries(Object.keys(otherTypes).map((name) => [name, any])),
  card_present: any,
  card: object({
    capture_method: unsupported,
    cvc_token: unsupported,
    installments: unsupported,
    mandate_options: unsupported,
    moto: unsupported,
    network: any,
    request_extended_authorization: any,
    request_incremental_authorization: any,
    request_multicapture: any,
    request_overcapture: any,
    request_three_d_secure: oneOf('automatic', 'any', 'challenge'),
    require_cvc_recollection: any,
    setup_credential_usage: any,
    setup_future_usage: unsupported,
    statement_descriptor_suffix_kana: any,
    statement_descriptor_suffix_kanji: any,
    stored_credential_usage: any,
    three_d_secure: unsupported,
  } satisfies FieldsOf<Stripe.PaymentIntentCreateParams.PaymentMethodOptions.Card>),
})

const describing = {
  amount_details: any,
  expand,
  hooks: unsupported,
  payment_details: any,
  payment_method_options: methodOptions,
  receipt_email: orUnset(string),
  shipping: any,
}

/** Sent by Stripe.js beside what the API documents. */
const fromStripeJs = {
  client_secret: string,
  key: string,
  expected_payment_method_type: any,
  client_context: any,
  client_attribution_metadata: any,
  _stripe_version: any,
}

export const createFields: FieldsOf<Stripe.PaymentIntentCreateParams> = {
  ...describing,
  amount: required(amount),
  currency: required(string),
  allowed_payment_method_types: allowedTypes,
  application_fee_amount: unsupported,
  automatic_payment_methods: automaticMethods,
  capture_method: captureMethod,
  confirm: boolean,
  confirmation_method: oneOf('automatic', 'manual'),
  confirmation_token: unsupported,
  customer: string,
  customer_account: unsupported,
  description: text(1000),
  error_on_requires_action: boolean,
  excluded_payment_method_types: allowedTypes,
  mandate: unsupported,
  mandate_data: any,
  metadata,
  off_session: offSession,
  on_behalf_of: unsupported,
  payment_method: string,
  payment_method_configuration: unsupported,
  payment_method_data: methodData,
  radar_options: any,
  return_url: string,
  setup_future_usage: futureUsage,
  statement_descriptor: text(22),
  statement_descriptor_suffix: text(22),
  transfer_data: unsupported,
  transfer_group: string,
  use_stripe_sdk: boolean,
}

export const updateFields: FieldsOf<Stripe.PaymentIntentUpdateParams> = {
  ...describing,
  allowed_payment_method_types: allowedTypes,
  amount,
  application_fee_amount: unsupported,
  capture_method: captureMethod,
  currency: string,
  customer: string,
  customer_account: unsupported,
  description: orUnset(text(1000)),
  excluded_payment_method_types: allowedTypes,
  metadata,
  payment_method: string,
  payment_method_configuration: unsupported,
  payment_method_data: methodData,
  setup_future_usage: orUnset(futureUsage),
  statement_descriptor: text(22),
  statement_descriptor_suffix: text(22),
  transfer_data: unsupported,
  transfer_group: string,
}

export const confirmFields: FieldsOf<Stripe.PaymentIntentConfirmParams & { client_secret?: string }> = {
  ...describing,
  ...fromStripeJs,
  allowed_payment_method_types: allowedTypes,
  amount_to_confirm: unsupported,
  capture_method: captureMethod,
  confirmation_token: unsupported,
  error_on_requires_action: boolean,
  excluded_payment_method_types: allowedTypes,
  mandate: unsupported,
  mandate_data: any,
  off_session: offSession,
  payment_method: string,
  payment_method_data: methodData,
  radar_options: any,
  return_url: string,
  setup_future_usage: orUnset(futureUsage),
  use_stripe_sdk: boolean,
}

export const retrieveFields: FieldsOf<Stripe.PaymentIntentRetrieveParams> & Record<string, Field> = {
  client_secret: string,
  expand,
  key: string,
  is_stripe_sdk: any,
  _stripe_version: any,
}

export const captureFields: FieldsOf<Stripe.PaymentIntentCaptureParams> = {
  amount_details: any,
  amount_to_capture: { type: 'integer', min: 1 },
  application_fee_amount: unsupported,
  expand,
  final_capture: boolean,
  hooks: unsupported,
  metadata,
  payment_details: any,
  statement_descriptor: text(22),
  statement_descriptor_suffix: text(22),
  transfer_data: unsupported,
}

export const cancelFields: FieldsOf<Stripe.PaymentIntentCancelParams> = {
  cancellation_reason: oneOf('duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'),
  expand,
}
