import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { defaultSettings } from './emulator.ts'
import { type ControlRow, emulatorForTest, type Heard, listenForWebhooks, until } from './test-support.ts'

const secret = defaultSettings.webhook.secret
let answer: (heard: Heard, count: number) => number
let endpoint: Awaited<ReturnType<typeof listenForWebhooks>>
let emulator: Awaited<ReturnType<typeof emulatorForTest>>

beforeEach(async () => {
  answer = () => 200
  endpoint = await listenForWebhooks((heard, count) => answer(heard, count))
  emulator = await emulatorForTest({ webhook: { secret, url: endpoint.url, retryMs: [1, 1] } })
})
afterEach(async () => {
  await emulator.close()
  await endpoint.close()
})

const pay = (payment_method = 'pm_card_visa') =>
  emulator.stripe.paymentIntents.create({
    amount: 1000,
    currency: 'usd',
    payment_method,
    confirm: true,
    return_url: 'https://example.com',
  })
const modes = (body: object) => emulator.control.post('/webhooks', body)
const heard = (count: number) => until(`${count} webhooks`, () => endpoint.heard.length >= count)
const latest = async (type: string): Promise<ControlRow> => {
  const { body } = await emulator.control.get('/events')
  return body.data.find((event) => event.type === type) ?? Promise.reject(new Error(`no ${type} event`))
}
const PAID = ['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded']

describe('an event', () => {
  test('is delivered signed, with the whole envelope', async () => {
    const intent = await emulator.stripe.paymentIntents.create(
      { amount: 1000, currency: 'usd' },
      { idempotencyKey: 'my-key' },
    )
    await heard(1)
    const { raw, signature } = endpoint.heard[0] as Heard
    const event = await emulator.stripe.webhooks.constructEventAsync(raw, signature, secret)
    expect(event).toEqual({
      id: expect.stringMatching(/^evt_/),
      object: 'event',
      api_version: '2026-10-28.endive',
      created: expect.any(Number),
      data: { object: expect.objectContaining({ id: intent.id, status: 'requires_payment_method' }) },
      livemode: false,
      pending_webhooks: 1,
      request: { id: intent.lastResponse.requestId, idempotency_key: 'my-key' },
      type: 'payment_intent.created',
    })
    await until(
      'the delivery on record',
      async () => (await emulator.stripe.events.retrieve(event.id)).pending_webhooks === 0,
    )
  })

  test('tells each step: paid, declined, challenged, refunded, saved, canceled', async () => {
    const paid = await pay()
    await emulator.stripe.refunds.create({ payment_intent: paid.id })
    await pay('pm_card_chargeDeclined').catch(() => {})
    await pay('pm_card_authenticationRequired')
    const { id: customer } = await emulator.stripe.customers.create({})
    const { id } = await emulator.stripe.paymentMethods.attach('pm_card_visa', { customer })
    await emulator.stripe.paymentMethods.detach(id)
    const open = await emulator.stripe.paymentIntents.create({ amount: 1000, currency: 'usd' })
    await emulator.stripe.paymentIntents.cancel(open.id)
    await heard(15)
    expect(endpoint.types().sort()).toEqual(
      [
        ...PAID,
        'refund.created',
        'charge.refunded',
        'payment_intent.created',
        'charge.failed',
        'payment_intent.payment_failed',
        'payment_intent.created',
        'payment_intent.requires_action',
        'customer.created',
        'payment_method.attached',
        'payment_method.detached',
        'payment_intent.created',
        'payment_intent.canceled',
      ].sort(),
    )
    const refunded = endpoint.heard.find(({ event }) => event.type === 'charge.refunded')?.event
    expect(refunded?.data).toMatchObject({
      object: { amount_refunded: 1000, refunded: true },
      previous_attributes: { amount_refunded: 0, refunded: false },
    })
  })

  test('is sent after the answer, even when the answer was cut off', async () => {
    await emulator.control.post('/faults', { operation: 'customers.create', times: 2, fault: 'reset_after_effect' })
    await emulator.stripe.customers.create({}).catch(() => {})
    await until('the event', () => endpoint.types().includes('customer.created'))
  })

  test('refused is tried again, and given up in the end', async () => {
    answer = (_heard, count) => (count === 1 ? 500 : 204)
    await emulator.stripe.customers.create({})
    await until('the second try', async () => (await latest('customer.created')).deliveries.length === 2)
    const event = await latest('customer.created')
    expect(event.deliveries.map(({ status }) => status)).toEqual([500, 204])
    expect(event.deliveries[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT/)

    answer = () => 503
    await emulator.stripe.customers.create({})
    await until('three tries', async () => (await latest('customer.created')).deliveries.length === 3)
    expect((await latest('customer.created')).pending_webhooks).toBe(0)
  })
})

test('an endpoint hears only the types it is subscribed to, and the others owe nothing', async () => {
  const webhook = { secret, url: endpoint.url, events: ['payment_intent.succeeded'] }
  const choosy = await emulatorForTest({ webhook })
  const card = { payment_method: 'pm_card_visa', confirm: true, return_url: 'https://example.com' }
  await choosy.stripe.paymentIntents.create({ amount: 1000, currency: 'usd', ...card })
  await heard(1)
  const { data } = await choosy.stripe.events.list()
  await choosy.close()
  expect(endpoint.types()).toEqual(['payment_intent.succeeded'])
  expect(data.filter(({ type }) => type !== 'payment_intent.succeeded').map((event) => event.pending_webhooks)).toEqual(
    [0, 0],
  )
})

describe('the webhook modes', () => {
  test('hold keeps all back until release', async () => {
    await modes({ hold: true })
    await pay()
    expect(endpoint.heard).toEqual([])
    expect((await emulator.control.post('/webhooks/release')).body).toEqual({ released: 3 })
    await heard(3)
    expect(endpoint.types().sort()).toEqual([...PAID].sort())
    await emulator.stripe.customers.create({})
    await heard(4)
  })

  test('duplicate sends the very same event again', async () => {
    await modes({ duplicate: 2 })
    await emulator.stripe.customers.create({})
    await heard(3)
    expect(new Set(endpoint.heard.map(({ event }) => event.id)).size).toBe(1)
  })

  test('drop never sends those types, but keeps the events; resend sends one all the same', async () => {
    await modes({ drop: ['payment_intent.succeeded'] })
    await pay()
    await heard(2)
    const lost = await latest('payment_intent.succeeded')
    expect(lost.deliveries).toEqual([])
    expect(endpoint.types()).not.toContain('payment_intent.succeeded')
    await modes({ hold: true })
    await emulator.control.post(`/events/${lost.id}/resend`)
    await heard(3)
    expect(endpoint.heard[2]?.event.id).toBe(lost.id)
    expect((await emulator.control.post('/events/evt_none/resend')).status).toBe(404)
  })

  test('shuffle loses none and changes their order', async () => {
    await modes({ shuffle: true, hold: true })
    const order = 'abcdefghijkl'.split('')
    for (const name of order) await emulator.stripe.customers.create({ name })
    await emulator.control.post('/webhooks/release')
    await heard(order.length)
    const names = endpoint.heard.map(({ event }) => (event.data.object as { name: string }).name)
    expect([...names].sort()).toEqual(order)
    // By chance this is the old order once in 479 million.
    expect(names).not.toEqual(order)
  })

  test('delayMs sends later', async () => {
    await modes({ delayMs: 80 })
    const asked = Date.now()
    await emulator.stripe.customers.create({})
    await heard(1)
    expect(Date.now() - asked).toBeGreaterThanOrEqual(79)
  })

  test('reset ends them and sends what was held', async () => {
    await modes({ hold: true, duplicate: 3 })
    await emulator.stripe.customers.create({})
    await emulator.control.post('/reset')
    await heard(4)
    await emulator.stripe.customers.create({})
    await heard(5)
  })

  test('refuses what is not a mode, naming it', async () => {
    const { status, body } = await modes({ hold: 'yes', speed: 3 })
    expect(status).toBe(400)
    expect(body.error.message).toMatch(/hold.*|speed/)
    expect((await modes({ duplicate: 1 })).body).toEqual({
      hold: false,
      duplicate: 1,
      shuffle: false,
      drop: [],
      delayMs: 0,
    })
  })
})
