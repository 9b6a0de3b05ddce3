import { randomUUID } from 'node:crypto'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type MeddledStack, startMeddledStack } from './between.fixture.ts'

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
