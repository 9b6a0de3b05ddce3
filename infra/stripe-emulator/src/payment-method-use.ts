import type { Stripe } from 'stripe'
import { type CardEntry, type EnteredCard, readCardEntry, tokenExpiry } from './card-entry.ts'
import { cardByToken, declines, type TestCard, testCards } from './cards.ts'
import { errors } from './errors.ts'
import { cardFingerprint, newId } from './ids.ts'
import { fromParam } from './lookup.ts'
import { type Call, type Reads, unixSeconds } from './operation.ts'
import { mergeMetadata } from './parameters.ts'
import type { CardFacts } from './rows.ts'

export interface MethodEntry {
  type?: string
  card?: CardEntry
  billing_details?: Stripe.PaymentMethodCreateParams.BillingDetails
  metadata?: Record<string, string | number | null>
  allow_redisplay?: string
}

/** Makes a payment method of what was typed into a form, as `payment_methods.create` and `payment_method_data` do. */
export function createMethod(call: Call, entry: MethodEntry, param = ''): Stripe.PaymentMethod {
  if (entry.type !== undefined && entry.type !== 'card') {
    throw errors.refused(`The payment method type "${entry.type}" is invalid. This Stripe emulator takes cards only.`, {
      param: param === '' ? 'type' : `${param}[type]`,
    })
  }
  if (entry.card === undefined) throw errors.parameterMissing(param === '' ? 'card' : `${param}[card]`)
  return keep(call, readCardEntry(entry.card, call.now), entry)
}

/** Finds `pm_…`, or makes the payment method that a test token such as `pm_card_visa` stands for: a new one each time. */
export function methodFrom(call: Call, id: string, param: string): Stripe.PaymentMethod {
  const test = id.startsWith('pm_card_') ? cardByToken(id) : undefined
  if (test === undefined) return fromParam(call.tx, 'payment_method', id, param)
  return keep(call, { test, ...tokenExpiry(call.now), cvcGiven: true }, {})
}

export function factsOf(from: Reads, method: Stripe.PaymentMethod): CardFacts & { test: TestCard } {
  const facts = from.get('card', method.id)
  const test = testCards[facts?.testCard ?? -1]
  if (facts === undefined || test === undefined) throw new Error(`no card behind ${method.id}`)
  return { ...facts, test }
}

export function changeFacts(call: Call, method: Stripe.PaymentMethod, change: Partial<CardFacts>): void {
  const { test: _, ...facts } = factsOf(call.tx, method)
  call.tx.put('card', { ...facts, ...change })
}

/** Attaching checks the card with its issuer; a card that declines that stays unattached. */
export function attachToCustomer(call: Call, method: Stripe.PaymentMethod, customer: string): Stripe.PaymentMethod {
  if (method.customer === customer) return method
  if (method.customer !== null) {
    throw errors.refused('The payment method you provided has already been attached to a customer.')
  }
  const { test, spent } = factsOf(call.tx, method)
  if (spent) {
    throw errors.refused(
      'This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.',
    )
  }
  if (test.onAttach !== 'succeeds') {
    const { message, ...details } = declines[test.onAttach]
    throw errors.cardError(message, details)
  }
  const attached = { ...method, customer }
  call.tx.put('payment_method', attached)
  call.emit('payment_method.attached', attached)
  return attached
}

export function detachFromCustomer(call: Call, method: Stripe.PaymentMethod): Stripe.PaymentMethod {
  const detached = { ...method, customer: null }
  call.tx.put('payment_method', detached)
  changeFacts(call, method, { spent: true })
  call.emit('payment_method.detached', detached, { customer: method.customer })
  return detached
}

/** Throws unless this payment method may pay for something of this customer (or of nobody). */
export function checkUsable(call: Call, method: Stripe.PaymentMethod, customer: string | null): void {
  if (method.customer !== null && customer === null) {
    throw errors.refused(
      `The PaymentMethod you provided (${method.id}) belongs to a Customer. Please include the Customer in the \`customer\` parameter on the PaymentIntent.`,
      { param: 'payment_method' },
    )
  }
  if (method.customer !== null && method.customer !== customer) {
    throw errors.refused(
      `The customer does not have a payment method with the ID ${method.id}. The payment method must be attached to the customer.`,
      { code: 'resource_missing', param: 'payment_method' },
    )
  }
  if (factsOf(call.tx, method).spent) {
    throw errors.refused(
      'The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.',
      { param: 'payment_method' },
    )
  }
}

function keep(call: Call, card: EnteredCard, entry: MethodEntry): Stripe.PaymentMethod {
  const { test } = card
  const method: Stripe.PaymentMethod = {
    id: newId('payment_method'),
    object: 'payment_method',
    allow_redisplay: entry.allow_redisplay ?? 'unspecified',
    billing_details: billing(entry.billing_details ?? {}),
    card: {
      brand: test.brand,
      checks: {
        address_line1_check: entry.billing_details?.address ? 'unchecked' : null,
        address_postal_code_check: entry.billing_details?.address ? 'unchecked' : null,
        cvc_check: card.cvcGiven ? 'unchecked' : null,
      },
      country: 'US',
      display_brand: test.brand === 'amex' ? 'american_express' : test.brand,
      exp_month: card.exp_month,
      exp_year: card.exp_year,
      fingerprint: cardFingerprint(test.number),
      funding: test.funding,
      generated_from: null,
      last4: test.number.slice(-4),
      networks: { available: [test.brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: unixSeconds(call.now),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: mergeMetadata({}, entry.metadata),
    type: 'card',
  }
  call.tx.put('payment_method', method)
  call.tx.put('card', { id: method.id, testCard: testCards.indexOf(test), setUp: false, spent: false })
  return method
}

/** Absent members are null in Stripe's answers, and an empty text clears. */
export function billing(
  given: Stripe.PaymentMethodUpdateParams.BillingDetails,
  old?: Stripe.PaymentMethod.BillingDetails,
): Stripe.PaymentMethod.BillingDetails {
  const blank = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null }
  return {
    address: given.address === '' ? blank : { ...blank, ...old?.address, ...given.address },
    email: orNull(given.email, old?.email),
    name: orNull(given.name, old?.name),
    phone: orNull(given.phone, old?.phone),
    tax_id: orNull(given.tax_id, old?.tax_id),
  }
}

const orNull = (given: string | null | undefined, old: string | null | undefined) => {
  if (given === undefined) return old ?? null
  return given === '' ? null : given
}
