import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentClosed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: PaymentStack

beforeAll(async () => {
  stack = await startPaymentStack()
  await stack.another()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

const intentsOf = async (reservationId: string) => {
  const { data } = await stack.stripe.client.paymentIntents.list({ limit: 100 })
  return data.filter(({ metadata }) => metadata.reservationId === reservationId)
}

test('attempts that arrive at two instances at once share one open intent', async () => {
  // Long enough for one instance to come upon the other's call.
  await stack.stripe.fault('payment_intents.create', 'delay', 100, 200)
  const reservationIds = Array.from({ length: 5 }, () => randomUUID())
  const asked = reservationIds.flatMap((reservationId) =>
    [1, 2, 1, 2].map((attempt) => stack.open({ reservationId, attempt })),
  )
  // One that met the other's call at Stripe may be told to come back.
  for (const { outcome } of await Promise.all(asked)) expect(['open', 'unavailable']).toContain(outcome)
  for (const reservationId of reservationIds)
    await eventually('an answer', async () => (await stack.open({ reservationId, attempt: 2 })).outcome === 'open')
  for (const reservationId of reservationIds) expect(await intentsOf(reservationId)).toHaveLength(1)
})

test('an attempt and a close at once end closed, with nothing left to pay', async () => {
  const reservationIds = Array.from({ length: 10 }, () => randomUUID())
  await Promise.all(
    reservationIds.flatMap((reservationId) => [stack.open({ reservationId }), stack.close(reservationId)]),
  )
  for (const reservationId of reservationIds) {
    await stack.hears(PaymentClosed, reservationId)
    expect((await intentsOf(reservationId)).map(({ status }) => status).filter((s) => s !== 'canceled')).toEqual([])
  }
})

test('a call that died with its process is taken up by another', async () => {
  const { reservationId, paymentIntentId } = await stack.opened()
  const stripeMethodId = await stack.stripe.cardOf(cards.ok)
  await stack.call('POST', '/v1/payments/methods', 'dave', { paymentMethodId: stripeMethodId })
  const customer = (await stack.stripe.client.paymentMethods.retrieve(stripeMethodId)).customer
  await stack.stripe.client.paymentIntents.update(paymentIntentId, { customer: String(customer) })
  // What a process leaves behind that dies between writing the call down and making it.
  const work = { operation: 'payment_intents.confirm', reservationId, attempt: 2, paymentIntentId, stripeMethodId }
  const key = `reservation:${reservationId}:2:confirm`
  await stack.database.run(leaveBehind, [key, JSON.stringify(work), reservationId])
  await stack.hears(PaymentCaptured, reservationId)
  expect(await stack.stripe.requests('payment_intents.confirm')).toMatchObject([{ idempotencyKey: key }])
})

const leaveBehind = statement(
  'test.leave-behind',
  `insert into stripe_call (key, operation, work, reservation_id, state, retry_at)
   values ($1, 'payment_intents.confirm', $2, $3, 'pending', now())`,
)
