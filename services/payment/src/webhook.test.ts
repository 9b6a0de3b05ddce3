import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentProgressed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack, webhookSecret } from './payment.fixture.ts'
import { cards, signatureOf } from './stripe.fixture.ts'

let stack: PaymentStack

beforeAll(async () => {
  stack = await startPaymentStack()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

const find = statement<{ state: string; tries: number }>(
  'test.find-event',
  'select state, tries from stripe_event where id = $1',
)
const makeOld = statement(
  'test.make-event-old',
  `update stripe_event set received_at = now() - interval '25 hours', retry_at = now() where id = $1 and state = 'parked'`,
)
const eventOnRecord = (id: string) => stack.database.maybeOne(find, [id])
const stateOfEvent = async (id: string) => (await eventOnRecord(id))?.state

async function post(body: string, signature?: string) {
  const response = await fetch(`${stack.url}/v1/webhooks/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(signature && { 'stripe-signature': signature }) },
    body,
  })
  return { status: response.status, body: await response.json() }
}

const now = () => Math.floor(Date.now() / 1_000)
const someEvent = (type = 'invoice.paid', object: object = {}) => ({
  object: 'event',
  id: `evt_${randomUUID().replaceAll('-', '')}`,
  type,
  created: now(),
  data: { object },
})

/** Money for a reservation that we have not heard of. */
async function strayPayment() {
  const reservationId = randomUUID()
  const metadata = { reservationId, attempt: '1' }
  const stray = await stack.stripe.client.paymentIntents.create({ amount: 15_000, currency: 'usd', metadata })
  await stack.stripe.payWith(cards.ok, { clientSecret: String(stray.client_secret) })
  const [event] = await stack.stripe.events('payment_intent.succeeded')
  return { reservationId, stray, event }
}

describe('a webhook', () => {
  test('delivered six times is told once', async () => {
    await stack.stripe.webhooks({ duplicate: 5 })
    const { reservationId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.hears(PaymentCaptured, reservationId)
    await eventually('all were answered', async () => {
      const [event] = await stack.stripe.events('payment_intent.succeeded')
      return event.deliveries.length === 6 && event.deliveries.every(({ status }: { status: number }) => status === 200)
    })
    expect(stack.heardOf(PaymentCaptured, reservationId)).toHaveLength(1)
  })

  test('of a failure that comes after the payment moves nothing back', async () => {
    await stack.stripe.webhooks({ hold: true })
    const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.declined, { clientSecret })
    await stack.stripe.payWith(cards.ok, { clientSecret })
    const [failed] = await stack.stripe.events('payment_intent.payment_failed')
    const [succeeded] = await stack.stripe.events('payment_intent.succeeded')
    await stack.stripe.resend(succeeded.id)
    await stack.hears(PaymentCaptured, reservationId)
    await stack.stripe.resend(failed.id)
    await eventually('the failure was taken', async () => (await stateOfEvent(failed.id)) === 'done')
    expect(stack.heardOf(PaymentProgressed, reservationId)).toEqual([])
    expect(await stack.settle(reservationId, paymentIntentId)).toMatchObject({ outcome: 'captured' })
  })

  test('of an intent that we do not know is parked, tried again, and matched when we do', async () => {
    const { reservationId, stray, event } = await strayPayment()
    await eventually('it was tried again', async () => {
      const found = await eventOnRecord(event.id)
      return found?.state === 'parked' && found.tries > 0
    })
    await stack.open({ reservationId })
    expect(await stack.hears(PaymentCaptured, reservationId)).toMatchObject([{ paymentIntentId: stray.id }])
    expect(await stateOfEvent(event.id)).toBe('done')
  })

  test('of an intent that nobody knows is given up after a day, and kept', async () => {
    const { event } = await strayPayment()
    await eventually('it is a day old', async () => (await stack.database.run(makeOld, [event.id])) > 0)
    await eventually('it is given up', async () => (await stateOfEvent(event.id)) === 'given_up')
  })

  test('of another kind is stored and answered with 200', async () => {
    const event = someEvent()
    const body = JSON.stringify(event)
    expect(await post(body, signatureOf(body, webhookSecret, now()))).toEqual({ status: 200, body: { received: true } })
    expect(await stateOfEvent(event.id)).toBe('ignored')
  })

  test('keeps no client secret', async () => {
    const { reservationId, clientSecret } = await stack.opened()
    await stack.stripe.payWith(cards.ok, { clientSecret })
    await stack.hears(PaymentCaptured, reservationId)
    const rows = await stack.database.many({ name: 'test.subjects', text: 'select subject::text from stripe_event' })
    expect(JSON.stringify(rows)).not.toContain(clientSecret)
  })
})

describe('a signature', () => {
  const body = JSON.stringify(someEvent())
  test.each([
    ['that is missing', undefined],
    ['that is no signature', 'nonsense'],
    ['by another secret', signatureOf(body, 'whsec_other', now())],
    ['that is too old', signatureOf(body, webhookSecret, now() - 301)],
    ['of another body', signatureOf(`${body} `, webhookSecret, now())],
  ])('%s is refused', async (_what, signature) => {
    const answer = await post(body, signature)
    expect(answer).toMatchObject({ status: 400, body: { error: 'INVALID_SIGNATURE' } })
  })

  test('is over the bytes as they came', async () => {
    const spaced = JSON.stringify(someEvent(), null, 3)
    expect((await post(spaced, signatureOf(spaced, webhookSecret, now()))).status).toBe(200)
  })
})
