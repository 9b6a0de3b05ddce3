import { randomUUID } from 'node:crypto'
import { PaymentCaptured, PaymentClosed } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { startBetween } from './between.fixture.ts'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let between: Awaited<ReturnType<typeof startBetween>>
let stack: PaymentStack

beforeAll(async () => {
  between = await startBetween()
  stack = await startPaymentStack({ STRIPE_API_URL: between.url })
  between.passTo(stack.stripe.url)
})
beforeEach(() => stack.stripe.reset())
afterAll(async () => {
  await stack.stop()
  between.close()
})

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
  between.meddle(async (call) => {
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
  // What a process leaves behind that dies before the call, when no other is there to take it up.
  const work = { operation: 'payment_intents.confirm', reservationId, attempt: 2, paymentIntentId, stripeMethodId }
  await stack.database.run(leaveBehind, [`reservation:${reservationId}:2:confirm`, JSON.stringify(work), reservationId])
  await eventually('it was seen', async () => !(await stack.database.maybeOne(findDue, [reservationId])))
  await stack.close(reservationId)
  await stack.hears(PaymentClosed, reservationId)
  expect(await stack.stripe.requests('payment_intents.confirm')).toEqual([])
})

const leaveBehind = statement(
  'test.leave-behind',
  `insert into stripe_call (key, operation, work, reservation_id, state, retry_at, created_at, updated_at)
   values ($1, 'payment_intents.confirm', $2, $3, 'pending', now(), now() - interval '20 minutes',
     now() - interval '20 minutes')`,
)
const findDue = statement(
  'test.find-due',
  `select key from stripe_call where reservation_id = $1 and state = 'pending' and retry_at <= now()`,
)
