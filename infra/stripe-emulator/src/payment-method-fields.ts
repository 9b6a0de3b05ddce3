import type { Stripe } from 'stripe'
import {
  address,
  any,
  type Field,
  type FieldsOf,
  integer,
  metadata,
  object,
  oneOf,
  orUnset,
  string,
  unsupported,
} from './parameters.ts'

/** Every other way to pay that stripe-node knows. This emulator takes cards. */
const OTHER_TYPES = [
  'acss_debit',
  'affirm',
  'afterpay_clearpay',
  'alipay',
  'alma',
  'amazon_pay',
  'au_becs_debit',
  'bacs_debit',
  'bancontact',
  'billie',
  'bizum',
  'blik',
  'boleto',
  'cashapp',
  'crypto',
  'customer_balance',
  'eps',
  'fpx',
  'giropay',
  'grabpay',
  'ideal',
  'interac_present',
  'kakao_pay',
  'klarna',
  'konbini',
  'kr_card',
  'link',
  'mb_way',
  'mobilepay',
  'multibanco',
  'naver_pay',
  'nz_bank_account',
  'oxxo',
  'p24',
  'pay_by_bank',
  'payco',
  'paynow',
  'paypal',
  'paypay',
  'payto',
  'pix',
  'promptpay',
  'revolut_pay',
  'samsung_pay',
  'satispay',
  'scalapay',
  'sepa_debit',
  'sequra',
  'sofort',
  'sunbit',
  'swish',
  'twint',
  'upi',
  'us_bank_account',
  'wechat_pay',
  'zip',
] as const

export const otherTypes = Object.fromEntries(OTHER_TYPES.map((name) => [name, unsupported])) as Record<
  (typeof OTHER_TYPES)[number],
  Field
>

/** Lists may ask for any type; only cards will be there. */
export const listedMethodTypes: Field = oneOf('card', 'card_present', 'custom', ...OTHER_TYPES)
export const redisplay: Field = oneOf('always', 'limited', 'unspecified')

export const billingDetails: Field = object({
  address,
  email: orUnset(string),
  name: orUnset(string),
  phone: orUnset(string),
  tax_id: string,
})

export const newCard: Field = object({
  number: string,
  exp_month: integer,
  exp_year: integer,
  cvc: string,
  networks: any,
  token: string,
} satisfies FieldsOf<Stripe.PaymentMethodCreateParams.Card>)

/** What Stripe.js adds of its own. */
const fromStripeJs = Object.fromEntries(
  [
    'guid',
    'muid',
    'sid',
    'pasted_fields',
    'payment_user_agent',
    'referrer',
    'time_on_page',
    'client_attribution_metadata',
  ].map((name) => [name, any]),
)

/** `payment_method_data`: `card` is missing from stripe-node's type, as servers should not send card numbers; Stripe.js does. */
export const methodData: Field = object({
  ...otherTypes,
  ...fromStripeJs,
  type: { ...oneOf('card', ...OTHER_TYPES), required: true },
  card: newCard,
  billing_details: billingDetails,
  metadata,
  allow_redisplay: redisplay,
  radar_options: any,
} satisfies FieldsOf<Stripe.PaymentIntentCreateParams.PaymentMethodData & { card?: object }>)
