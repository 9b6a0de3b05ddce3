import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentClosed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { type MeddledStack, startMeddledStack } from './between.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: MeddledStack

beforeAll(async () => {
  stack = await startMeddledStack()
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

/** An open intent, and a saved card of the guest's that may pay it. */
async function openedWithCard() {
  const username = `guest-${randomUUID()}`
  const userId = await stack.userIdOf(username)
  const stripeMethodId = await stack.stripe.cardOf(cards.ok)
  const { body } = await stack.call('POST', '/v1/payments/methods', username, { paymentMethodId: stripeMethodId })
  const opened = await stack.opened({ userId, savePaymentMethod: true })
  return { ...opened, userId, stripeMethodId, paymentMethodId: body.data.id as string }
}

test('a card that was refused because a bank had not decided on another is charged when the bank has said no', async () => {
  const { reservationId, userId, paymentIntentId, paymentMethodId } = await openedWithCard()
  const intent = await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)
  let refusals = 0
  stack.meddle(async (call) => {
    if (refusals > 0 || call !== `POST /v1/payment_intents/${paymentIntentId}/confirm`) return undefined
    refusals += 1
    const error = {
      type: 'invalid_request_error',
      code: 'payment_intent_unexpected_state',
      message: 'You cannot confirm this PaymentIntent because it has a status of processing.',
      payment_intent: { ...intent, status: 'processing' },
    }
    return { status: 400, body: { error } }
  })
  const reply = await stack.open({ reservationId, attempt: 2, userId, paymentMethodId })
  expect(refusals).toBe(1)
  expect(reply).toMatchObject({ outcome: 'open', stripeStatus: 'succeeded' })
  await stack.hears(PaymentCaptured, reservationId)
})

test('a card that nobody could charge for minutes is not charged when its payment is to be closed', async () => {
  const { reservationId, paymentIntentId, stripeMethodId } = await openedWithCard()
  await leaveConfirm({ reservationId, paymentIntentId, stripeMethodId }, { agedMinutes: 20, dueSeconds: 0 })
  await eventually('it was seen', async () => !(await stack.database.maybeOne(findDue, [reservationId])))
  await stack.close(reservationId)
  await stack.hears(PaymentClosed, reservationId)
  expect(await stack.stripe.requests('payment_intents.confirm')).toEqual([])
})

test('a card is not charged any more once its payment is being closed', async () => {
  const { reservationId, paymentIntentId, stripeMethodId } = await openedWithCard()
  // By an instance that dies right after it has said so.
  await stack.database.run(beginClosing, [reservationId])
  await leaveConfirm({ reservationId, paymentIntentId, stripeMethodId }, { agedMinutes: 0, dueSeconds: 0 })
  await eventually('it was seen', async () => !(await stack.database.maybeOne(findDue, [reservationId])))
  await stack.close(reservationId)
  await stack.hears(PaymentClosed, reservationId)
  expect(await stack.stripe.requests('payment_intents.confirm')).toEqual([])
})

test('a card whose charge was under way is not charged beside another payment that has come meanwhile', async () => {
  const { reservationId, paymentIntentId, stripeMethodId } = await openedWithCard()
  await leaveConfirm({ reservationId, paymentIntentId, stripeMethodId }, { agedMinutes: 0, dueSeconds: 4.5 })
  const metadata = { reservationId, attempt: '1' }
  const byHand = await stack.stripe.client.paymentIntents.create({ amount: 15_000, currency: 'usd', metadata })
  await stack.stripe.payWith(cards.ok, { clientSecret: String(byHand.client_secret) })
  await stack.hears(PaymentCaptured, reservationId)
  await eventually(
    'it is called off',
    async () => (await stack.database.one(stateOf, [reservationId])).state !== 'pending',
  )
  const statusOf = async () => (await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)).status
  await eventually('what was open is cancelled', async () => (await statusOf()) === 'canceled')
  const confirms = await stack.stripe.requests('payment_intents.confirm')
  expect(confirms.map((one: { path: string }) => one.path)).toEqual([`/v1/payment_intents/${byHand.id}/confirm`])
})

/** What a process leaves behind that dies before the call. */
async function leaveConfirm(
  about: { reservationId: string; paymentIntentId: string; stripeMethodId: string },
  { agedMinutes, dueSeconds }: { agedMinutes: number; dueSeconds: number },
) {
  const { reservationId } = about
  const work = JSON.stringify({ operation: 'payment_intents.confirm', attempt: 2, ...about })
  await stack.database.run(leaveBehind, [
    `reservation:${reservationId}:2:confirm`,
    work,
    reservationId,
    dueSeconds,
    agedMinutes,
  ])
}
const leaveBehind = statement(
  'test.leave-behind',
  `insert into stripe_call (key, operation, work, reservation_id, state, retry_at, created_at, updated_at)
   select $1, 'payment_intents.confirm', $2, $3, 'pending', now() + make_interval(secs => $4), at, at
   from (select now() - make_interval(mins => $5)) as written (at)`,
)
const beginClosing = statement(
  'test.begin-closing',
  `update payment set state = 'closing', close_at = now() + interval '1 hour' where reservation_id = $1`,
)
const stateOf = statement<{ state: string }>(
  'test.state-of',
  `select state from stripe_call where reservation_id = $1 and operation = 'payment_intents.confirm'`,
)
const findDue = statement(
  'test.find-due',
  `select key from stripe_call where reservation_id = $1 and state = 'pending' and retry_at <= now()`,
)
