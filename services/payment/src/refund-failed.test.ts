import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentRefunded, PaymentRefundFailed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { type MeddledStack, startMeddledStack } from './between.fixture.ts'
import { webhookSecret } from './payment.fixture.ts'
import { cards, signatureOf } from './stripe.fixture.ts'

let stack: MeddledStack

/** Refunds that the stand-in knows nothing of, for with it none fails. */
interface Refund {
  readonly id: string
  readonly cause: string
  status: 'succeeded' | 'failed'
}
let made: Refund[]

beforeAll(async () => {
  stack = await startMeddledStack()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

/** The next refunds have these statuses at first; after them the stand-in's own succeed. */
function refundsBecome(cause: string, ...statuses: Refund['status'][]): void {
  made = []
  const shown = ({ id, status }: Refund) => ({
    ...{ object: 'refund', id, status, amount: 15_000, reason: null, metadata: { cause } },
    created: Math.floor(Date.now() / 1_000),
  })
  stack.meddle(async (call, ask) => {
    if (call.startsWith('GET /v1/refunds')) {
      const { status, body } = await ask()
      return { status, body: { ...body, data: [...body.data, ...made.map(shown)] } }
    }
    const status = call === 'POST /v1/refunds' && statuses.shift()
    if (!status) return undefined
    const refund = { id: `re_${randomUUID()}`, cause, status }
    made.push(refund)
    return { status: 200, body: shown(refund) }
  })
}

async function takeRefundEvent(type: string, paymentIntentId: string) {
  const now = Math.floor(Date.now() / 1_000)
  const object = { object: 'refund', payment_intent: paymentIntentId }
  const body = JSON.stringify({ object: 'event', id: `evt_${randomUUID()}`, type, created: now, data: { object } })
  const headers = { 'content-type': 'application/json', 'stripe-signature': signatureOf(body, webhookSecret, now) }
  expect((await fetch(`${stack.url}/v1/webhooks/stripe`, { method: 'POST', headers, body })).status).toBe(200)
}

async function paid() {
  const opened = await stack.opened()
  await stack.stripe.payWith(cards.ok, opened)
  await stack.hears(PaymentCaptured, opened.reservationId)
  return opened
}

const hurry = statement(
  'test.hurry',
  `update stripe_call set retry_at = now() where key = $1 and state = 'pending' and retry_at > now() + interval '30 seconds'`,
)
/** Waits until a refund is to be made anew in a while, and makes that while pass. */
const whilePasses = (cause: string, paymentIntentId: string, round: number) =>
  eventually(
    `round ${round} is ordered`,
    async () => (await stack.database.run(hurry, [`refund:${cause}:${paymentIntentId}:${round}`])) > 0,
  )

test('a refund of ours that fails days later is made anew, once for all the events about it', async () => {
  const { reservationId, paymentIntentId } = await paid()
  refundsBecome('late', 'succeeded')
  await stack.refund(reservationId, paymentIntentId, 'late')
  const [first] = await stack.hears(PaymentRefunded, reservationId)
  for (const refund of made) refund.status = 'failed'
  for (const type of ['refund.updated', 'refund.failed']) await takeRefundEvent(type, paymentIntentId)
  await eventually('it is on record', async () => (await stack.read(reservationId))?.amountRefunded === 0)
  expect(await stack.read(reservationId)).toMatchObject({ refunds: [], returned: [] })
  expect(await stack.hears(PaymentRefundFailed, reservationId)).toEqual([{ ...first, amountRefundedMinor: 0 }])

  await whilePasses('late', paymentIntentId, 1)
  const [, second] = await stack.hears(PaymentRefunded, reservationId, 2)
  expect(second).toMatchObject({ cause: 'late', amountRefundedMinor: 15_000 })
  expect(second.refund.refundId).not.toBe(first.refund.refundId)
  expect(await stack.read(reservationId)).toMatchObject({ amountRefunded: 15_000, returned: [second] })
  expect((await stack.stripe.client.refunds.list({ payment_intent: paymentIntentId })).data).toHaveLength(1)

  // An answer from before it failed, read late.
  for (const refund of made) refund.status = 'succeeded'
  await takeRefundEvent('refund.updated', paymentIntentId)
  await eventually('it was read', async () => !(await stack.database.maybeOne(findPending, [reservationId])))
  expect(await stack.read(reservationId)).toMatchObject({ amountRefunded: 15_000, returned: [second] })
})

test('a refund of a wrong amount that has failed in its first answer is never told, and made anew', async () => {
  const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
  await stack.stripe.client.paymentIntents.update(paymentIntentId, { amount: 14_999 })
  refundsBecome('mismatch', 'failed')
  await stack.stripe.payWith(cards.ok, { clientSecret })
  await whilePasses('mismatch', paymentIntentId, 1)
  expect(await stack.hears(PaymentRefunded, reservationId)).toMatchObject([
    { cause: 'mismatch', capturedMinor: 14_999, amountRefundedMinor: 14_999 },
  ])
  expect(made).toHaveLength(1)
})

test('a refund that fails every time is left to people after five more', async () => {
  const { reservationId, paymentIntentId } = await paid()
  refundsBecome('duplicate', ...Array<Refund['status']>(10).fill('failed'))
  await stack.refund(reservationId, paymentIntentId, 'duplicate')
  for (const round of [1, 2, 3, 4, 5]) await whilePasses('duplicate', paymentIntentId, round)
  await eventually('the last was made', async () => made.length === 6)
  await takeRefundEvent('refund.failed', paymentIntentId)
  await eventually('nothing is under way', async () => !(await stack.database.maybeOne(findPending, [reservationId])))
  expect(made).toHaveLength(6)
  expect(await stack.read(reservationId)).toMatchObject({ amountRefunded: 0, returned: [] })
})

const findPending = statement(
  'test.find-pending',
  `select key from stripe_call where reservation_id = $1 and state = 'pending' limit 1`,
)

test('a refund by somebody else as large as one that has failed is found by reading, although no webhook comes', async () => {
  const { reservationId, paymentIntentId } = await paid()
  const dropped = { drop: ['charge.refunded', 'refund.created'] }
  await stack.stripe.webhooks(dropped)
  const refund = () => stack.stripe.client.refunds.create({ payment_intent: paymentIntentId, amount: 500 })
  const first = await refund()
  await stack.read(reservationId)
  await stack.hears(PaymentRefunded, reservationId)
  stack.meddle(async (call, ask) => {
    if (!call.startsWith('GET ')) return undefined
    const { status, body } = await ask()
    if (call.startsWith('GET /v1/refunds')) for (const one of body.data) if (one.id === first.id) one.status = 'failed'
    if (call.includes(paymentIntentId) && body.latest_charge) body.latest_charge.amount_refunded -= 500
    return { status, body }
  })
  await takeRefundEvent('refund.failed', paymentIntentId)
  await stack.hears(PaymentRefundFailed, reservationId)

  await refund()
  await eventually('it is on record', async () => (await stack.read(reservationId))?.amountRefunded === 500)
  expect(await stack.hears(PaymentRefunded, reservationId, 2)).toMatchObject([{}, { amountRefundedMinor: 500 }])
})
