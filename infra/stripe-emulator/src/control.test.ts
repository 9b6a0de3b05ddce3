import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { defaultSettings } from './emulator.ts'
import { createFaults } from './faults.ts'
import { createIdempotency } from './idempotency.ts'
import { noJournal } from './journal.ts'
import { createRequestLog } from './request-log.ts'
import { buildServer } from './server.ts'
import { openStore } from './store.ts'
import { emulatorForTest, refusalOf, until } from './test-support.ts'
import { createWebhooks } from './webhooks.ts'

let emulator: Awaited<ReturnType<typeof emulatorForTest>>
beforeAll(async () => {
  emulator = await emulatorForTest()
})
afterEach(() => emulator.control.post('/reset'))
afterAll(() => emulator.close())

const ten = { amount: 1000, currency: 'usd' } as const
const create = (idempotencyKey: string = randomUUID()) => emulator.stripe.paymentIntents.create(ten, { idempotencyKey })
const fault = (body: object) => emulator.control.post('/faults', body)
const intents = async () => (await emulator.stripe.paymentIntents.list({ limit: 100 })).data.length
const requests = async () => (await emulator.control.get('/requests')).body.data

describe('a fault', () => {
  test('error_500 has no effect, counts down, and is replayed to its own key for good', async () => {
    const before = await intents()
    await fault({ operation: 'payment_intents.create', times: 1, fault: 'error_500' })
    const key = randomUUID()
    const failed = await refusalOf(create(key))
    expect(failed).toMatchObject({ statusCode: 500, rawType: 'api_error' })
    expect(failed.headers?.['stripe-should-retry']).toBe('false')
    const again = await refusalOf(create(key))
    expect(again).toMatchObject({ statusCode: 500 })
    expect(again.headers?.['idempotent-replayed']).toBe('true')
    expect(await intents()).toBe(before)
    expect(await create()).toMatchObject({ amount: 1000 })
  })

  test('rate_limit answers 429 and leaves the key free', async () => {
    await fault({ operation: 'payment_intents.create', times: 1, fault: 'rate_limit' })
    const key = randomUUID()
    expect(await refusalOf(create(key))).toMatchObject({ type: 'StripeRateLimitError', code: 'rate_limit' })
    expect(await create(key)).toMatchObject({ amount: 1000 })
  })

  test('reset_before_effect cuts the connection and does nothing', async () => {
    const before = await intents()
    // stripe-node tries a closed connection once more of itself.
    await fault({ operation: 'payment_intents.create', times: 2, fault: 'reset_before_effect' })
    expect(await refusalOf(create())).toMatchObject({ type: 'StripeConnectionError' })
    expect(await intents()).toBe(before)
  })

  test('reset_after_effect does everything and cuts the connection; the key then tells what was done', async () => {
    const before = await intents()
    await fault({ operation: 'payment_intents.create', times: 2, fault: 'reset_after_effect' })
    const key = randomUUID()
    expect(await refusalOf(create(key))).toMatchObject({ type: 'StripeConnectionError' })
    expect(await intents()).toBe(before + 1)
    const replayed = await create(key)
    expect(replayed.lastResponse.headers['idempotent-replayed']).toBe('true')
    expect(await intents()).toBe(before + 1)
  })

  test('delay keeps the key in flight: a second request with it is told to wait, and the first ends well', async () => {
    await fault({ operation: 'payment_intents.create', times: 1, fault: 'delay', delayMs: 300 })
    const key = randomUUID()
    const first = create(key)
    await until('the first request', async () => (await requests()).some(({ status }) => status === null))
    expect(await refusalOf(create(key))).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' })
    const { id } = await first
    expect((await create(key)).id).toBe(id)
  })

  test('befalls its own operation alone, and times 0 takes it away', async () => {
    await fault({ operation: 'refunds.create', times: 5, fault: 'error_500' })
    expect(await create()).toMatchObject({ amount: 1000 })
    await fault({ operation: 'refunds.create', times: 0, fault: 'error_500' })
    expect((await refusalOf(emulator.stripe.refunds.create({ charge: 'ch_none' }))).statusCode).toBe(400)
  })

  test.each([
    [{ operation: 'payment_intents.make', times: 1, fault: 'error_500' }, 'operation'],
    [{ operation: 'refunds.create', times: -1, fault: 'error_500' }, 'times'],
    [{ operation: 'refunds.create', times: 1, fault: 'explode' }, 'fault'],
    [{ operation: 'refunds.create', times: 1, fault: 'delay' }, 'delayMs'],
    [{ operation: 'refunds.create', times: 1, fault: 'error_500', extra: 1 }, 'extra'],
  ])('that cannot be (%j) is refused naming %s', async (body, named) => {
    const { status, body: answer } = await fault(body)
    expect(status).toBe(400)
    expect(answer.error.message).toContain(named)
  })
})

describe('3-D Secure', () => {
  const challenged = (more = {}) =>
    emulator.stripe.paymentIntents.create({
      ...ten,
      confirm: true,
      payment_method: 'pm_card_authenticationRequiredOnSetup',
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      ...more,
    })
  const authenticate = (id: string, outcome: string) =>
    emulator.control.post(`/payment_intents/${id}/authenticate`, { outcome })

  test('passed, the intent succeeds and its charge says it was authenticated', async () => {
    const { id } = await challenged()
    const { status, body } = await authenticate(id, 'succeed')
    expect(status).toBe(200)
    expect(body).toMatchObject({ id, status: 'succeeded', next_action: null })
    const charge = await emulator.stripe.charges.retrieve(body.latest_charge)
    expect(charge.payment_method_details?.card?.three_d_secure).toMatchObject({ result: 'authenticated' })
  })

  test('failed, the intent waits for another card and says why', async () => {
    const { id } = await challenged()
    expect((await authenticate(id, 'fail')).body).toMatchObject({
      id,
      status: 'requires_payment_method',
      latest_charge: null,
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    })
    const { body } = await emulator.control.get('/events')
    expect(body.data[0]).toMatchObject({ type: 'payment_intent.payment_failed', request: { id: null } })
  })

  test('passed by a card that then declines, the intent waits for another', async () => {
    const { id } = await challenged({ payment_method: 'pm_card_threeDSecureRequiredChargeDeclined' })
    expect((await authenticate(id, 'succeed')).body).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'card_declined' },
    })
  })

  test('is asked for once set up only while the customer is there', async () => {
    const customer = (await emulator.stripe.customers.create({})).id
    const saving = await challenged({ customer, setup_future_usage: 'off_session' })
    const card = saving.payment_method as string
    await authenticate(saving.id, 'succeed')
    expect(await challenged({ customer, payment_method: card, off_session: true })).toMatchObject({
      status: 'succeeded',
    })
    expect(await challenged({ customer, payment_method: card })).toMatchObject({ status: 'requires_action' })
  })

  test('cannot be passed twice, nor where nothing was asked', async () => {
    const { id } = await challenged()
    await authenticate(id, 'succeed')
    expect((await authenticate(id, 'succeed')).status).toBe(400)
    expect((await authenticate('pi_none', 'succeed')).status).toBe(404)
    expect((await authenticate(id, 'perhaps')).status).toBe(400)
  })

  test('works for saving a card, too', async () => {
    const customer = (await emulator.stripe.customers.create({})).id
    const setup = await emulator.stripe.setupIntents.create({
      customer,
      payment_method: 'pm_card_threeDSecure2Required',
      confirm: true,
      use_stripe_sdk: true,
    })
    expect(setup).toMatchObject({ status: 'requires_action', next_action: { type: 'use_stripe_sdk' } })
    const { body } = await emulator.control.post(`/setup_intents/${setup.id}/authenticate`, { outcome: 'succeed' })
    expect(body).toMatchObject({ status: 'succeeded' })
  })
})

describe('the request log', () => {
  test('tells newest first what was asked, with typed parameters, and never a card number or a secret', async () => {
    const key = randomUUID()
    await create(key)
    const card = { number: '4242424242424242', exp_month: 12, exp_year: 2040, cvc: '987' }
    await emulator.browser.paymentMethods.create({ type: 'card', card })
    const [latest, before] = await requests()
    expect(before).toMatchObject({
      operation: 'payment_intents.create',
      method: 'POST',
      path: '/v1/payment_intents',
      idempotencyKey: key,
      params: ten,
      status: 200,
    })
    expect(latest).toMatchObject({
      operation: 'payment_methods.create',
      params: { card: { number: '************4242' } },
    })
    expect(JSON.stringify(latest)).not.toMatch(/42424242|987/)
  })

  test('is emptied by reset, which leaves the objects', async () => {
    const { id } = await create()
    await emulator.control.post('/reset')
    expect(await requests()).toEqual([])
    expect(await emulator.stripe.paymentIntents.retrieve(id)).toMatchObject({ id })
  })
})

test('two confirmations at once pay once', async () => {
  const { id } = await create()
  const confirm = () =>
    emulator.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: 'https://example.com' })
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, confirm))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect((await emulator.stripe.charges.list({ payment_intent: id })).data).toHaveLength(1)
})

test('control routes answer to this machine only', async () => {
  const store = openStore(noJournal)
  const app = buildServer({
    settings: defaultSettings,
    store,
    faults: createFaults(),
    idempotency: createIdempotency(store),
    requests: createRequestLog(),
    webhooks: createWebhooks(store, defaultSettings.webhook),
    stopping: new AbortController().signal,
  })
  const ask = async (remoteAddress: string) =>
    (await app.inject({ url: '/_emulator/requests', remoteAddress })).statusCode
  expect(await Promise.all(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.7', '::ffff:10.0.0.7'].map(ask))).toEqual([
    200, 200, 200, 403, 403,
  ])
  await app.close()
})

interface Failure {
  error: { type: string; message: string }
}

test('answers health without a key, unknown paths as Stripe does, and nothing but forms', async () => {
  const ask = (path: string, init?: RequestInit) => fetch(emulator.url + path, init)
  for (const path of ['/health/live', '/health/ready']) expect(await (await ask(path)).json()).toEqual({ status: 'ok' })
  const unknown = await ask('/v1/payment_intentions')
  expect([unknown.status, ((await unknown.json()) as Failure).error.type]).toEqual([404, 'invalid_request_error'])
  expect((await ask('/v1/balance')).status).toBe(401)
  const headers = { authorization: 'Bearer sk_test_holdfast', 'content-type': 'application/json' }
  const json = await ask('/v1/customers', { method: 'POST', headers, body: '{"email":"a@b.c"}' })
  expect(json.status).toBe(400)
  expect(((await json.json()) as Failure).error.message).toContain('application/x-www-form-urlencoded')
  const basic = { authorization: `Basic ${btoa('sk_test_holdfast:')}` }
  expect((await ask('/v1/balance', { headers: basic })).status).toBe(200)
})
