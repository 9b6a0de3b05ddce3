import { randomUUID } from 'node:crypto'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type MeddledStack, startMeddledStack } from './between.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: MeddledStack

beforeAll(async () => {
  stack = await startMeddledStack()
})
afterAll(() => stack.stop())

test('what our API key may not do keeps nobody from what it may, and goes on once it is allowed', async () => {
  let isAllowed = false
  stack.meddle(async (call) => {
    if (isAllowed || call !== 'POST /v1/customers') return undefined
    const message = 'The provided key does not have the required permissions for this endpoint.'
    return { status: 403, body: { error: { type: 'invalid_request_error', message } } }
  })
  const saving = { reservationId: randomUUID(), userId: randomUUID(), savePaymentMethod: true }
  // More, and more in a row, than would have Stripe spared as one that is away.
  for (let tries = 0; tries < 15; tries += 1)
    expect(await stack.open(saving)).toMatchObject({ outcome: 'unavailable', reason: expect.stringContaining('key') })
  expect(await stack.open({ reservationId: randomUUID() })).toMatchObject({ outcome: 'open' })
  isAllowed = true
  await eventually('the card can be saved', async () => (await stack.open(saving)).outcome === 'open')
})

test('what a key of the other mode does not find is not forgotten', async () => {
  const methods = '/v1/payments/methods'
  const add = async (card: string) =>
    stack.call('POST', methods, 'alice', { paymentMethodId: await stack.stripe.cardOf(card) })
  expect(await add(cards.ok)).toMatchObject({ status: 200 })
  stack.meddle(async (call) => {
    if (!call.endsWith('/attach')) return undefined
    const message = "No such customer: 'cus_1'; a similar object exists in live mode, but a test mode key was used."
    const error = { type: 'invalid_request_error', code: 'resource_missing', param: 'customer', message }
    return { status: 404, body: { error } }
  })
  expect(await add(cards.mastercard)).toMatchObject({ status: 503 })
  expect((await stack.call('GET', methods, 'alice')).body.data).toHaveLength(1)
})
