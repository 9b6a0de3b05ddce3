import { PaymentCaptured, PaymentRefunded } from '@holdfast/contracts/messages/payment'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

/** Whether reservation has heard of its money is asked a while after it was said; here that while is short. */
let stack: PaymentStack
beforeAll(async () => {
  stack = await startPaymentStack({ MONEY_AUDIT_GRACE_SECONDS: '0.2' })
})
beforeEach(() => stack.stripe.reset())
afterAll(() => stack.stop())

const auditAt = statement<{ auditAt: Date | null }>(
  'test.audit-at',
  'select audit_at as "auditAt" from payment where reservation_id = $1',
)
const hurry = statement(
  'test.hurry-audit',
  `update payment set audit_at = now() - interval '1 second' where reservation_id = $1 and audit_at is not null`,
)
const audits = statement<{ audits: number }>('test.audits', 'select audits from payment where reservation_id = $1')
const isThrough = async (reservationId: string) => (await stack.database.one(auditAt, [reservationId])).auditAt === null

test('money that was heard of is asked about once, with all that is known of it', async () => {
  const { reservationId, paymentIntentId, clientSecret } = await stack.opened()
  expect(await isThrough(reservationId)).toBe(true)
  await stack.stripe.payWith(cards.ok, { clientSecret })
  const [capture] = await stack.hears(PaymentCaptured, reservationId)
  await eventually('it was asked', async () => stack.auditsOf(reservationId).length === 1)
  await eventually('that was all', () => isThrough(reservationId))
  expect(stack.auditsOf(reservationId)).toEqual([{ reservationId, captures: [capture], returned: [], failed: [] }])

  await stack.refund(reservationId, paymentIntentId, 'late')
  const [refunded] = await stack.hears(PaymentRefunded, reservationId)
  await eventually('what is new was asked', async () => stack.auditsOf(reservationId).length === 2)
  expect(stack.auditsOf(reservationId)[1]).toEqual({
    ...{ reservationId, captures: [capture] },
    ...{ returned: [refunded], failed: [] },
  })
})

test('money that was not heard of is asked about again', async () => {
  const { reservationId, clientSecret } = await stack.opened()
  stack.deaf.add(reservationId)
  await stack.stripe.payWith(cards.ok, { clientSecret })
  await eventually('it was asked', async () => stack.auditsOf(reservationId).length > 0)
  expect(await isThrough(reservationId)).toBe(false)
  stack.deaf.delete(reservationId)
  await stack.database.run(hurry, [reservationId])
  await eventually('it was heard of', () => isThrough(reservationId))
})

test('while nobody answers, it is asked no less often', async () => {
  const { reservationId, clientSecret } = await stack.opened()
  stack.mute.add(reservationId)
  await stack.stripe.payWith(cards.ok, { clientSecret })
  for (let asked = 1; asked <= 3; asked += 1) {
    await eventually('it was asked', async () => stack.auditsOf(reservationId).length >= asked)
    await eventually(
      'nobody has answered',
      async () => (await stack.database.one(audits, [reservationId])).audits === 0,
    )
    await stack.database.run(hurry, [reservationId])
  }
  expect(await isThrough(reservationId)).toBe(false)
  stack.mute.delete(reservationId)
  await stack.database.run(hurry, [reservationId])
  await eventually('it was heard of', () => isThrough(reservationId))
})
