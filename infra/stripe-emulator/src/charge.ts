import type { Stripe } from 'stripe'
import type { Decline } from './cards.ts'

/** A charge as made by one attempt to pay an intent; `decline` says that it failed. */
export function chargeFor(
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  attempt: { id: string; at: number; authenticated: boolean; decline?: Decline },
): Stripe.Charge {
  const { id, at, decline } = attempt
  const captured = decline === undefined && intent.capture_method !== 'manual'
  const descriptor = intent.statement_descriptor ?? 'HOLDFAST'
  return {
    id,
    object: 'charge',
    amount: intent.amount,
    amount_captured: captured ? intent.amount : 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: captured ? `txn_${id.slice('ch_'.length)}` : null,
    billing_details: method.billing_details,
    calculated_statement_descriptor: descriptor,
    captured,
    created: at,
    currency: intent.currency,
    customer: intent.customer as string | null,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: intent.metadata,
    on_behalf_of: null,
    outcome: outcomeOf(decline),
    paid: decline === undefined,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: { type: 'card', card: cardDetails(intent, method, attempt.authenticated, decline) },
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: decline ? null : `https://pay.stripe.com/receipts/payment/${id}`,
    refunded: false,
    review: null,
    shipping: intent.shipping as Stripe.Charge['shipping'],
    source: null,
    source_transfer: null,
    statement_descriptor: intent.statement_descriptor,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status: decline ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: intent.transfer_group,
  }
}

function outcomeOf(decline: Decline | undefined): Stripe.Charge.Outcome {
  if (decline === undefined) {
    return {
      advice_code: null,
      network_advice_code: null,
      network_decline_code: null,
      network_status: 'approved_by_network',
      reason: null,
      risk_level: 'normal',
      risk_score: 12,
      seller_message: 'Payment complete.',
      type: 'authorized',
    }
  }
  const blocked = decline.decline_code === 'fraudulent'
  return {
    advice_code: decline.advice_code ?? null,
    network_advice_code: null,
    network_decline_code: blocked ? null : '01',
    network_status: blocked ? 'not_sent_to_network' : 'declined_by_network',
    reason: blocked ? 'highest_risk_level' : (decline.decline_code ?? decline.code),
    risk_level: blocked ? 'highest' : 'normal',
    risk_score: blocked ? 92 : 12,
    seller_message: blocked
      ? 'Stripe blocked this payment as too risky.'
      : 'The bank did not return any further details with this decline.',
    type: blocked ? 'blocked' : 'issuer_declined',
  }
}

function cardDetails(
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  authenticated: boolean,
  decline: Decline | undefined,
): Stripe.Charge.PaymentMethodDetails.Card {
  const { card } = method
  return {
    amount_authorized: decline ? null : intent.amount,
    authorization_code: decline ? null : '123456',
    brand: card?.brand ?? null,
    checks: { ...blankChecks, ...card?.checks, ...(card?.checks?.cvc_check && { cvc_check: cvcCheck(decline) }) },
    country: card?.country ?? null,
    electronic_commerce_indicator: authenticated ? '05' : null,
    exp_month: card?.exp_month ?? 0,
    exp_year: card?.exp_year ?? 0,
    extended_authorization: { status: 'disabled' },
    fingerprint: card?.fingerprint ?? null,
    funding: card?.funding ?? null,
    incremental_authorization: { status: 'unavailable' },
    installments: null,
    last4: card?.last4 ?? null,
    mandate: null,
    multicapture: { status: 'unavailable' },
    network: card?.brand ?? null,
    network_token: { used: false },
    network_transaction_id: decline ? null : intent.id.slice(-15),
    overcapture: { maximum_amount_capturable: intent.amount, status: 'unavailable' },
    regulated_status: 'unregulated',
    three_d_secure: authenticated ? threeDSecure : null,
    transaction_link_id: null,
    wallet: null,
  }
}

const blankChecks = { address_line1_check: null, address_postal_code_check: null, cvc_check: null }
const cvcCheck = (decline: Decline | undefined) => (decline?.code === 'incorrect_cvc' ? 'fail' : 'pass')

const threeDSecure: Stripe.Charge.PaymentMethodDetails.Card['three_d_secure'] = {
  authentication_flow: 'challenge',
  electronic_commerce_indicator: '05',
  exemption_indicator: null,
  result: 'authenticated',
  result_reason: null,
  transaction_id: '8a2c11f0-0000-4000-8000-000000000000',
  version: '2.2.0',
}
