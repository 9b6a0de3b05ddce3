import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type Stripe from 'stripe'
import { defaultSettings, startStripeEmulator } from './emulator.ts'
import { refusalOf, stripeAt } from './test-support.ts'

/**
 * What Holdfast relies on, asked of the emulator, or of Stripe's own test mode when STRIPE_TEST_SECRET_KEY and
 * STRIPE_TEST_PUBLISHABLE_KEY are set. Whatever passes here against both is no fiction.
 */
const secretKey = process.env.STRIPE_TEST_SECRET_KEY
const publishableKey = process.env.STRIPE_TEST_PUBLISHABLE_KEY
if (secretKey && !secretKey.startsWith('sk_test_')) throw new Error('STRIPE_TEST_SECRET_KEY must start with sk_test_')
/** Card numbers in the clear are refused by a real account that was not opened for them. */
const emulatorTest = secretKey ? test.skip : test

let stripe: Stripe
let browser: Stripe
let stranger: Stripe
let close: () => Promise<void> = async () => {}

beforeAll(async () => {
  const { keys } = defaultSettings
  let url = 'https://api.stripe.com'
  if (!secretKey) ({ url, close } = await startStripeEmulator({ logLevel: 'fatal' }))
  stripe = stripeAt(url, secretKey ?? keys.secret)
  browser = stripeAt(url, publishableKey ?? keys.publishable)
  stranger = stripeAt(url, 'sk_test_thisIsNobodysKey0000')
})
afterAll(() => close())

const serverSide = { automatic_payment_methods: { enabled: true, allow_redirects: 'never' } } as const
const fiftyDollars = { amount: 5000, currency: 'usd', ...serverSide } as const
const pay = (card: string, more: Partial<Stripe.PaymentIntentCreateParams> = {}) =>
  stripe.paymentIntents.create({ ...fiftyDollars, payment_method: card, confirm: true, ...more })
const customer = () => stripe.customers.create({ email: 'guest@example.com' })

describe('a payment intent', () => {
  test('waits for a payment method and shows the browser a secret', async () => {
    const intent = await stripe.paymentIntents.create({
      ...fiftyDollars,
      metadata: { reservationId: 'r1', attempt: '1' },
    })
    expect(intent).toMatchObject({
      object: 'payment_intent',
      status: 'requires_payment_method',
      amount: 5000,
      currency: 'usd',
      metadata: { reservationId: 'r1', attempt: '1' },
      latest_charge: null,
      next_action: null,
      livemode: false,
    })
    expect(intent.client_secret).toMatch(new RegExp(`^${intent.id}_secret_\\w+$`))
    expect(await stripe.paymentIntents.retrieve(intent.id)).toMatchObject({ id: intent.id, amount: 5000 })
  })

  test('confirmed with a good card succeeds, with a charge that can be expanded', async () => {
    const intent = await pay('pm_card_visa', { expand: ['latest_charge', 'payment_method'] })
    expect(intent).toMatchObject({ status: 'succeeded', amount_received: 5000, last_payment_error: null })
    expect(intent.latest_charge).toMatchObject({
      object: 'charge',
      status: 'succeeded',
      paid: true,
      captured: true,
      refunded: false,
      amount: 5000,
      payment_intent: intent.id,
      payment_method_details: { type: 'card', card: { brand: 'visa', last4: '4242' } },
    })
    expect(intent.payment_method).toMatchObject({ object: 'payment_method', type: 'card', card: { brand: 'visa' } })
  })

  test.each([
    ['pm_card_chargeDeclined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'insufficient_funds'],
  ])('declined (%s) goes back to wait for another card, with the failed charge', async (card, declineCode) => {
    const intent = await stripe.paymentIntents.create(fiftyDollars)
    const error = await refusalOf(stripe.paymentIntents.confirm(intent.id, { payment_method: card }))
    expect(error).toMatchObject({
      type: 'StripeCardError',
      statusCode: 402,
      rawType: 'card_error',
      code: 'card_declined',
      decline_code: declineCode,
      payment_intent: { id: intent.id, status: 'requires_payment_method', payment_method: null },
    })
    const after = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] })
    expect(after).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'card_declined', decline_code: declineCode, type: 'card_error' },
      latest_charge: { id: error.charge, status: 'failed', paid: false, failure_code: 'card_declined' },
    })
    const retried = await stripe.paymentIntents.confirm(intent.id, { payment_method: 'pm_card_visa' })
    expect(retried).toMatchObject({ id: intent.id, status: 'succeeded', last_payment_error: null })
  })

  test('with a card that must authenticate waits for Stripe.js, or for a redirect where there is a way back', async () => {
    expect(await pay('pm_card_authenticationRequired')).toMatchObject({
      status: 'requires_action',
      next_action: { type: 'use_stripe_sdk' },
      latest_charge: null,
    })
    const redirected = await pay('pm_card_authenticationRequired', { return_url: 'https://example.com/back' })
    expect(redirected).toMatchObject({
      status: 'requires_action',
      next_action: { type: 'redirect_to_url', redirect_to_url: { return_url: 'https://example.com/back' } },
    })
    expect(redirected.next_action?.redirect_to_url?.url).toMatch(/^https?:/)
  })

  test('that must authenticate while the customer is away is declined', async () => {
    const { id } = await customer()
    const method = await stripe.paymentMethods.attach('pm_card_authenticationRequired', { customer: id })
    const error = await refusalOf(pay(method.id, { customer: id, off_session: true }))
    expect(error).toMatchObject({ statusCode: 402, code: 'authentication_required' })
  })

  test('is canceled once', async () => {
    const { id } = await stripe.paymentIntents.create(fiftyDollars)
    const canceled = await stripe.paymentIntents.cancel(id, { cancellation_reason: 'abandoned' })
    expect(canceled).toMatchObject({ status: 'canceled', cancellation_reason: 'abandoned' })
    expect(canceled.canceled_at).toBeGreaterThan(0)
    const again = await refusalOf(stripe.paymentIntents.cancel(id))
    expect(again).toMatchObject({ code: 'payment_intent_unexpected_state', payment_intent: { id, status: 'canceled' } })
    const late = await refusalOf(stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' }))
    expect(late).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' })
  })

  test('that succeeded cannot be canceled, confirmed or changed, and the refusal carries it', async () => {
    const { id } = await pay('pm_card_visa')
    for (const step of [
      stripe.paymentIntents.cancel(id),
      stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' }),
    ]) {
      expect(await refusalOf(step)).toMatchObject({
        type: 'StripeInvalidRequestError',
        statusCode: 400,
        code: 'payment_intent_unexpected_state',
        payment_intent: { id, status: 'succeeded' },
      })
    }
    expect(await refusalOf(stripe.paymentIntents.update(id, { amount: 6000 }))).toMatchObject({ statusCode: 400 })
    expect(await stripe.paymentIntents.update(id, { metadata: { seen: 'yes' } })).toMatchObject({
      metadata: { seen: 'yes' },
    })
  })

  test('without a payment method cannot be confirmed', async () => {
    const { id } = await stripe.paymentIntents.create(fiftyDollars)
    expect(await refusalOf(stripe.paymentIntents.confirm(id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
    })
  })

  test('authorized first is captured later', async () => {
    const held = await pay('pm_card_visa', { capture_method: 'manual' })
    expect(held).toMatchObject({ status: 'requires_capture', amount_capturable: 5000, amount_received: 0 })
    const taken = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 3000 })
    expect(taken).toMatchObject({ status: 'succeeded', amount_received: 3000, amount_capturable: 0 })
  })

  test('confirmed on the server must say where redirects come back to, unless there are none', async () => {
    const redirecting = { ...fiftyDollars, automatic_payment_methods: { enabled: true } }
    const call = stripe.paymentIntents.create({ ...redirecting, payment_method: 'pm_card_visa', confirm: true })
    expect((await refusalOf(call)).message).toContain('return_url')
  })

  test('lists newest first, page by page', async () => {
    const { id } = await customer()
    const made: string[] = []
    for (let count = 0; count < 5; count++) {
      made.unshift((await stripe.paymentIntents.create({ ...fiftyDollars, customer: id })).id)
    }
    const first = await stripe.paymentIntents.list({ customer: id, limit: 2 })
    expect(first).toMatchObject({ object: 'list', has_more: true, url: '/v1/payment_intents' })
    const all: string[] = []
    for await (const intent of stripe.paymentIntents.list({ customer: id, limit: 2 })) all.push(intent.id)
    expect(all).toEqual(made)
    const back = await stripe.paymentIntents.list({ customer: id, limit: 2, ending_before: made[4] as string })
    expect(back.data.map((intent) => intent.id)).toEqual(made.slice(2, 4))
  })
})

describe('the browser, with its publishable key', () => {
  test('sees and pays the one intent whose secret it holds', async () => {
    const { id, client_secret } = await stripe.paymentIntents.create({ ...fiftyDollars, metadata: { private: 'yes' } })
    const secret = { client_secret: client_secret as string }
    const seen = await browser.paymentIntents.retrieve(id, secret)
    expect(seen).toMatchObject({ id, status: 'requires_payment_method' })
    expect(seen).not.toHaveProperty('metadata')
    const confirmation = { ...secret, payment_method: 'pm_card_visa', return_url: 'https://example.com' }
    expect(await browser.paymentIntents.confirm(id, confirmation)).toMatchObject({ id, status: 'succeeded' })
  })

  test('is turned away with another secret, and from everything that is the server’s', async () => {
    const [mine, other] = [
      await stripe.paymentIntents.create(fiftyDollars),
      await stripe.paymentIntents.create(fiftyDollars),
    ]
    const peek = browser.paymentIntents.retrieve(mine.id, { client_secret: other.client_secret as string })
    expect((await refusalOf(peek)).statusCode).toBeGreaterThanOrEqual(400)
    for (const call of [
      browser.paymentIntents.create(fiftyDollars),
      browser.refunds.list(),
      browser.customers.list(),
    ]) {
      expect([401, 403]).toContain((await refusalOf(call)).statusCode)
    }
  })

  emulatorTest.each([
    ['4242424242424242', { status: 'succeeded' }],
    ['4000002500003155', { status: 'requires_action' }],
    ['4000000000000002', { code: 'card_declined', decline_code: 'generic_decline' }],
    ['4000000000009995', { code: 'card_declined', decline_code: 'insufficient_funds' }],
    ['4000000000000341', { code: 'card_declined', decline_code: 'generic_decline' }],
  ])('types %s and gets %j', async (number, expected) => {
    const { id, client_secret } = await stripe.paymentIntents.create(fiftyDollars)
    const card = { number, exp_month: 12, exp_year: 2040, cvc: '123' }
    const confirmation = { client_secret, payment_method_data: { type: 'card', card } }
    const paying = browser.paymentIntents.confirm(id, confirmation as Stripe.PaymentIntentConfirmParams)
    expect(await paying.catch((error: unknown) => error)).toMatchObject(expected)
  })

  emulatorTest('sends card numbers, in payment_method_data too', async () => {
    const { id, client_secret } = await stripe.paymentIntents.create(fiftyDollars)
    const card = { number: '5555555555554444', exp_month: 12, exp_year: 2040, cvc: '123' }
    const confirmation = { client_secret, payment_method_data: { type: 'card', card } }
    const paid = await browser.paymentIntents.confirm(id, confirmation as Stripe.PaymentIntentConfirmParams)
    expect(paid).toMatchObject({ status: 'succeeded' })
    const method = await browser.paymentMethods.create({ type: 'card', card: { ...card, number: '4242424242424242' } })
    expect(method).toMatchObject({ type: 'card', card: { last4: '4242', exp_month: 12, exp_year: 2040 } })
  })
})

describe('a refund', () => {
  test('is made in parts, up to what was paid and no further', async () => {
    const { id } = await pay('pm_card_visa')
    const part = await stripe.refunds.create({
      payment_intent: id,
      amount: 2000,
      reason: 'requested_by_customer',
      metadata: { why: 'late' },
    })
    expect(part).toMatchObject({
      object: 'refund',
      amount: 2000,
      status: 'succeeded',
      payment_intent: id,
      reason: 'requested_by_customer',
      metadata: { why: 'late' },
    })
    const tooMuch = await refusalOf(stripe.refunds.create({ payment_intent: id, amount: 3001 }))
    expect(tooMuch).toMatchObject({ type: 'StripeInvalidRequestError', statusCode: 400 })
    expect(tooMuch.message).toContain('greater than unrefunded amount')
    await stripe.refunds.create({ charge: part.charge as string })
    const charge = await stripe.charges.retrieve(part.charge as string, { expand: ['refunds'] })
    expect(charge).toMatchObject({ amount_refunded: 5000, refunded: true })
    expect(charge.refunds?.data.map((refund) => refund.amount)).toEqual([3000, 2000])
    const again = await refusalOf(stripe.refunds.create({ payment_intent: id }))
    expect(again).toMatchObject({ statusCode: 400, code: 'charge_already_refunded' })
    const list = await stripe.refunds.list({ payment_intent: id })
    expect(list.data.map((refund) => refund.amount)).toEqual([3000, 2000])
    expect(await stripe.refunds.retrieve(part.id)).toMatchObject({ id: part.id })
  })

  test('of an intent that was never paid is refused', async () => {
    const { id } = await stripe.paymentIntents.create(fiftyDollars)
    expect((await refusalOf(stripe.refunds.create({ payment_intent: id }))).message).toContain('successful charge')
  })
})

describe('a payment method', () => {
  test('is attached, listed, detached, and then never attached again', async () => {
    const { id } = await customer()
    const method = await stripe.paymentMethods.attach('pm_card_visa', { customer: id })
    expect(method).toMatchObject({ object: 'payment_method', customer: id, type: 'card', card: { brand: 'visa' } })
    expect((await stripe.paymentMethods.list({ customer: id, type: 'card' })).data).toMatchObject([{ id: method.id }])
    expect((await stripe.customers.listPaymentMethods(id)).data).toMatchObject([{ id: method.id }])
    expect(await stripe.paymentMethods.detach(method.id)).toMatchObject({ id: method.id, customer: null })
    expect((await stripe.customers.listPaymentMethods(id)).data).toEqual([])
    expect((await refusalOf(stripe.paymentMethods.detach(method.id))).message).toContain('not attached to a customer')
    expect(await refusalOf(stripe.paymentMethods.attach(method.id, { customer: id }))).toMatchObject({
      statusCode: 400,
    })
  })

  test('has the fingerprint of its card', async () => {
    const { id } = await customer()
    const attach = (card: string) => stripe.paymentMethods.attach(card, { customer: id })
    const [one, same, other] = [
      await attach('pm_card_visa'),
      await attach('pm_card_visa'),
      await attach('pm_card_mastercard'),
    ]
    expect(one.id).not.toBe(same.id)
    expect(one.card?.fingerprint).toBe(same.card?.fingerprint)
    expect(one.card?.fingerprint).not.toBe(other.card?.fingerprint)
  })

  test('that declines cannot be attached; one that declines later can, and declines when charged', async () => {
    const { id } = await customer()
    const refused = stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer: id })
    expect(await refusalOf(refused)).toMatchObject({ statusCode: 402, code: 'card_declined' })
    const method = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: id })
    expect(await refusalOf(pay(method.id, { customer: id }))).toMatchObject({ code: 'card_declined' })
  })

  test('is saved by paying with setup_future_usage, and pays again', async () => {
    const { id } = await customer()
    const first = await pay('pm_card_visa', { customer: id, setup_future_usage: 'on_session' })
    const method = first.payment_method as string
    expect(await stripe.paymentMethods.retrieve(method)).toMatchObject({ customer: id })
    expect(await pay(method, { customer: id })).toMatchObject({ status: 'succeeded' })
  })

  test('that paid without being saved is spent', async () => {
    const { payment_method } = await pay('pm_card_visa')
    expect((await refusalOf(pay(payment_method as string))).message).toContain('may not be used again')
  })

  test('of one customer does not pay for another', async () => {
    const [owner, thief] = [await customer(), await customer()]
    const { id } = await stripe.paymentMethods.attach('pm_card_visa', { customer: owner.id })
    expect(await refusalOf(pay(id, { customer: thief.id }))).toMatchObject({ statusCode: 400 })
    expect(await refusalOf(pay(id))).toMatchObject({ statusCode: 400 })
  })

  test('is saved by a setup intent without a payment', async () => {
    const { id } = await customer()
    const setup = await stripe.setupIntents.create({
      customer: id,
      payment_method: 'pm_card_visa',
      confirm: true,
      ...serverSide,
    })
    expect(setup).toMatchObject({ object: 'setup_intent', status: 'succeeded', customer: id })
    expect(await stripe.paymentMethods.retrieve(setup.payment_method as string)).toMatchObject({ customer: id })
  })

  emulatorTest.each([
    ['4242424242424241', {}, 'incorrect_number'],
    ['4242424242424242', { exp_year: 2020 }, 'invalid_expiry_year'],
    ['4242424242424242', { exp_month: 13 }, 'invalid_expiry_month'],
    ['4242424242424242', { cvc: '12' }, 'invalid_cvc'],
  ])('typed wrong (%s %j) is refused as %s', async (number, wrong, code) => {
    const card = { number, exp_month: 12, exp_year: 2040, cvc: '123', ...wrong }
    const error = await refusalOf(browser.paymentMethods.create({ type: 'card', card }))
    expect(error).toMatchObject({ statusCode: 402, rawType: 'card_error', code })
  })
})

describe('a customer', () => {
  test('keeps metadata key by key', async () => {
    const { id } = await stripe.customers.create({ name: 'Ada', metadata: { a: '1', b: '2' } })
    const after = await stripe.customers.update(id, { metadata: { a: '', c: '3' } })
    expect(after).toMatchObject({ object: 'customer', name: 'Ada' })
    expect(after.metadata).toEqual({ b: '2', c: '3' })
  })

  test('once deleted is gone from payments', async () => {
    const { id } = await customer()
    expect(await stripe.customers.del(id)).toEqual({ id, object: 'customer', deleted: true })
    expect(await stripe.customers.retrieve(id)).toMatchObject({ deleted: true })
    expect(await refusalOf(pay('pm_card_visa', { customer: id }))).toMatchObject({ code: 'resource_missing' })
  })
})

describe('an idempotency key', () => {
  test('answers again without doing again', async () => {
    const idempotencyKey = randomUUID()
    const first = await stripe.paymentIntents.create(fiftyDollars, { idempotencyKey })
    const second = await stripe.paymentIntents.create(fiftyDollars, { idempotencyKey })
    expect(second.id).toBe(first.id)
    expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined()
    expect(second.lastResponse.headers['idempotent-replayed']).toBe('true')
    expect(second.lastResponse.requestId).toMatch(/^req_/)
  })

  test('answers a decline again too', async () => {
    const idempotencyKey = randomUUID()
    const params = { ...fiftyDollars, payment_method: 'pm_card_chargeDeclined', confirm: true }
    const first = await refusalOf(stripe.paymentIntents.create(params, { idempotencyKey }))
    const second = await refusalOf(stripe.paymentIntents.create(params, { idempotencyKey }))
    expect(second).toMatchObject({ statusCode: 402, code: 'card_declined', charge: first.charge })
    expect(second.headers?.['idempotent-replayed']).toBe('true')
  })

  test('does not stand for other parameters', async () => {
    const idempotencyKey = randomUUID()
    await stripe.paymentIntents.create(fiftyDollars, { idempotencyKey })
    const other = await refusalOf(stripe.paymentIntents.create({ ...fiftyDollars, amount: 7000 }, { idempotencyKey }))
    expect(other).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400, rawType: 'idempotency_error' })
  })

  test('is not used up by a request that made no sense', async () => {
    const idempotencyKey = randomUUID()
    const wrong = { ...fiftyDollars, wrong: 'yes' } as Stripe.PaymentIntentCreateParams
    expect(await refusalOf(stripe.paymentIntents.create(wrong, { idempotencyKey }))).toMatchObject({ statusCode: 400 })
    expect(await stripe.paymentIntents.create(fiftyDollars, { idempotencyKey })).toMatchObject({ amount: 5000 })
  })
})

describe('a request that is wrong', () => {
  const create = (params: object) => stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams)

  test.each<[string, object, object]>([
    ['an unknown parameter', { ...fiftyDollars, colour: 'red' }, { code: 'parameter_unknown', param: 'colour' }],
    [
      'a parameter of former versions',
      { ...fiftyDollars, payment_method_types: ['card'] },
      { code: 'parameter_unknown' },
    ],
    ['no amount', { currency: 'usd' }, { code: 'parameter_missing', param: 'amount' }],
    ['no currency', { amount: 5000 }, { code: 'parameter_missing', param: 'currency' }],
    ['an amount in words', { amount: 'many', currency: 'usd' }, { code: 'parameter_invalid_integer', param: 'amount' }],
    ['a broken amount', { amount: 10.5, currency: 'usd' }, { code: 'parameter_invalid_integer', param: 'amount' }],
    ['too small an amount', { amount: 49, currency: 'usd' }, { code: 'amount_too_small', param: 'amount' }],
    ['too large an amount', { amount: 100_000_000, currency: 'usd' }, { code: 'amount_too_large', param: 'amount' }],
    ['no such currency', { amount: 5000, currency: 'zzz' }, { param: 'currency' }],
    ['a value outside the enum', { ...fiftyDollars, setup_future_usage: 'sometimes' }, { param: 'setup_future_usage' }],
    ['no such customer', { ...fiftyDollars, customer: 'cus_nobody' }, { code: 'resource_missing', param: 'customer' }],
    ['an empty customer', { ...fiftyDollars, customer: '' }, { code: 'parameter_invalid_empty', param: 'customer' }],
    ['too long a metadata value', { ...fiftyDollars, metadata: { long: 'x'.repeat(501) } }, {}],
    ['too long a metadata key', { ...fiftyDollars, metadata: { ['k'.repeat(41)]: 'x' } }, {}],
    ['an expansion of nothing', { ...fiftyDollars, expand: ['nonsense'] }, {}],
  ])('for %s is refused', async (_what, params, expected) => {
    const error = await refusalOf(create(params))
    expect(error).toMatchObject({ statusCode: 400, rawType: 'invalid_request_error', ...expected })
    expect(error.requestId).toMatch(/^req_/)
  })

  test('names what does not exist', async () => {
    for (const call of [
      stripe.paymentIntents.retrieve('pi_nothing'),
      stripe.paymentIntents.cancel('pi_nothing'),
      stripe.customers.retrieve('cus_nobody'),
      stripe.charges.retrieve('ch_nothing'),
      stripe.refunds.retrieve('re_nothing'),
      stripe.paymentMethods.retrieve('pm_nothing'),
    ]) {
      expect(await refusalOf(call)).toMatchObject({ statusCode: 404, code: 'resource_missing' })
    }
  })

  test('comes with a wrong key', async () => {
    const error = await refusalOf(stranger.balance.retrieve())
    expect(error).toMatchObject({ type: 'StripeAuthenticationError', statusCode: 401 })
    expect(error.message).not.toContain('thisIsNobodysKey')
  })
})

test('events tell what happened, and the balance exists', async () => {
  const { id } = await pay('pm_card_visa')
  const { data } = await stripe.events.list({ type: 'payment_intent.succeeded', limit: 20 })
  const event = data.find(({ data: { object } }) => (object as { id?: string }).id === id)
  expect(event).toMatchObject({
    object: 'event',
    api_version: '2026-10-28.endive',
    livemode: false,
    type: 'payment_intent.succeeded',
    data: { object: { id, object: 'payment_intent', status: 'succeeded' } },
  })
  expect(event?.request?.id).toMatch(/^req_/)
  expect(await stripe.balance.retrieve()).toMatchObject({ object: 'balance', livemode: false })
})
