import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { manage, vhostOf } from '@holdfast/testing/management'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Answer, CallOptions } from './support/api.ts'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  holdBody,
  readReservation,
  untilSeats,
  untilStatus,
} from './support/situation.ts'
import { startTestStack, type TestStack } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** What a client sees, and what becomes of its booking, while parts of the stack are away or die. */

let stack: TestStack
let guest: string
beforeAll(async () => {
  stack = await startTestStack({
    reservation: { WATCHDOG_SECONDS: '2' },
    payment: { MONEY_AUDIT_GRACE_SECONDS: '1' },
  })
}, 120_000)
afterAll(() => stack?.stop(), 60_000)
beforeEach(() => {
  guest = aUser()
})

const away = new Set<string>()
async function takeDown(name: string): Promise<void> {
  away.add(name)
  await stack.running.down(name)
}
async function bringUp(name: string): Promise<void> {
  await stack.running.up(name)
  away.delete(name)
}
afterEach(async () => {
  for (const name of [...away]) await bringUp(name)
  await stack.emulator.reset()
}, 60_000)

const hold = (options: Omit<CallOptions<typeof reservations.createHold>, 'as'>) =>
  stack.api.call(reservations.createHold, { as: guest, ...options })

/** A 503 in time, with everything a client needs to try again. */
async function expectUnavailable(asking: Promise<Answer>): Promise<void> {
  const startedAt = performance.now()
  const answer = await asking
  expect(answer).toMatchObject({ status: 503, body: { error: 'SERVICE_UNAVAILABLE', requestId: expect.any(String) } })
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  // Five seconds, and what a busy machine adds.
  expect(performance.now() - startedAt).toBeLessThan(10_000)
}

/** Tries as a client would that was told to try again. */
const untilOk = (asking: () => Promise<Answer>, withinMs = 20_000) =>
  eventually(
    'the same request went well',
    async () => {
      const answer = await asking()
      return answer.status === 200 && answer
    },
    withinMs,
  )

describe('while a part is away', () => {
  test.each(['rabbitmq', 'inventory'])(
    'no %s: a hold is unavailable, and the same key gets it later, once',
    async (part) => {
      const offer = await anOffer(stack)
      const key = randomUUID()
      const body = holdBody(offer)
      await takeDown(part)
      await expectUnavailable(hold({ body, key }))
      await bringUp(part)
      await untilOk(() => hold({ body, key }))
      await untilSeats(stack, offer.timeSlotId, { held: 2, booked: 0 })
    },
    90_000,
  )

  test('no Postgres: every request that needs one is unavailable, and all goes on when it is back', async () => {
    const offer = await anOffer(stack)
    const { id } = await aHold(stack, guest, offer)
    await takeDown('postgres')
    await expectUnavailable(hold({ body: holdBody(offer), key: randomUUID() }))
    await expectUnavailable(stack.api.call(reservations.getReservation, { as: guest, params: { id } }))
    await expectUnavailable(stack.api.call(catalog.listExperiences, { as: guest }))
    await bringUp('postgres')
    const { body } = await untilOk(() => stack.api.call(reservations.convertHold, { as: guest, body: { holdId: id } }))
    await stack.stripeJs.confirmCardPayment(
      (body as { paymentClientSecret: string }).paymentClientSecret,
      cards.success,
    )
    await untilStatus(stack, guest, id, 'confirmed', 20_000)
  }, 90_000)

  test('no Stripe: a convert is unavailable and changes nothing that is seen; the same key goes on', async () => {
    const { id: holdId } = await aHold(stack, guest)
    const key = `${holdId}-convert`
    await takeDown('stripe-emulator')
    const convert = () => stack.api.call(reservations.convertHold, { as: guest, body: { holdId }, key })
    await expectUnavailable(convert())
    expect(await readReservation(stack, guest, holdId)).toMatchObject({ status: 'held', paymentStatus: 'unpaid' })
    await bringUp('stripe-emulator')
    const { body } = await untilOk(convert)
    const { reservation, paymentClientSecret } = body as {
      reservation: { paymentIntentId: string }
      paymentClientSecret: string
    }
    const intents = await stack.emulator.stripe.paymentIntents.list({ limit: 100 })
    expect(intents.data.filter(({ metadata }) => metadata.reservationId === holdId).map(({ id }) => id)).toEqual([
      reservation.paymentIntentId,
    ])
    await stack.stripeJs.confirmCardPayment(paymentClientSecret, cards.success)
    await untilStatus(stack, guest, holdId, 'confirmed')
  }, 60_000)

  test('no timeout service: a hold still ends, and nobody converts it after its time', async () => {
    await takeDown('timeout')
    const offer = await anOffer(stack, { experience: { holdSeconds: 1 } })
    const { id } = await aHold(stack, guest, offer)
    await untilStatus(stack, guest, id, 'expired')
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
    expect((await stack.api.fails(reservations.convertHold, { as: guest, body: { holdId: id } })).body.error).toBe(
      'HOLD_EXPIRED',
    )
  }, 60_000)

  test.each(['payment', 'inventory', 'rabbitmq'])(
    'no %s when the money comes: confirmed once it is back',
    async (part) => {
      const offer = await anOffer(stack)
      const pending = await aPendingReservation(stack, guest, offer)
      await takeDown(part)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await bringUp(part)
      await untilStatus(stack, guest, pending.id, 'confirmed', 20_000)
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    },
    90_000,
  )
})

describe('Stripe answers in a strange way', () => {
  test.each([
    ['payment_intents.create', 'reset_after_effect', 2],
    ['payment_intents.create', 'reset_before_effect', 2],
    ['payment_intents.create', 'rate_limit', 1],
    ['payment_intents.create', 'error_500', 1],
  ])(
    '%s with %s: the guest has one intent in the end',
    async (operation, fault, times) => {
      const { id: holdId } = await aHold(stack, guest)
      await stack.emulator.fault({ operation, fault, times })
      const key = `${holdId}-convert`
      await untilOk(() => stack.api.call(reservations.convertHold, { as: guest, body: { holdId }, key }))
      const intents = await stack.emulator.stripe.paymentIntents.list({ limit: 100 })
      const own = intents.data.filter(
        ({ metadata, status }) => metadata.reservationId === holdId && status !== 'canceled',
      )
      expect(own).toHaveLength(1)
    },
    60_000,
  )

  test('an intent that can be cancelled only after a while keeps its seats until then', async () => {
    const offer = await anOffer(stack, { experience: { holdSeconds: 2 } })
    const pending = await aPendingReservation(stack, guest, offer)
    await stack.emulator.fault({ operation: 'payment_intents.cancel', fault: 'rate_limit', times: 2 })
    await untilStatus(stack, guest, pending.id, 'expired', 20_000)
    const intent = await stack.emulator.stripe.paymentIntents.retrieve(pending.paymentIntentId)
    expect(intent.status).toBe('canceled')
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  }, 60_000)
})

describe('a process that is killed', () => {
  test.each(['reservation', 'payment', 'inventory', 'timeout'])(
    '%s, in the middle of bookings: all of them end well',
    async (name) => {
      const offer = await anOffer(stack, { slot: { capacity: 100 } })
      const bookings = Array.from({ length: 10 }, async (_, n) => {
        const user = `${guest}-${n}`
        const key = randomUUID()
        const held = await untilOk(() =>
          stack.api.call(reservations.createHold, { as: user, body: holdBody(offer), key }),
        )
        const { id: holdId } = (held.body as { reservation: { id: string } }).reservation
        if (n === 4) stack.running.kill(name, 'SIGKILL')
        const converted = await untilOk(() =>
          stack.api.call(reservations.convertHold, { as: user, body: { holdId }, key: `${key}-convert` }),
        )
        const { paymentClientSecret } = converted.body as { paymentClientSecret: string }
        await stack.stripeJs.confirmCardPayment(paymentClientSecret, cards.success)
        return { user, holdId }
      })
      for (const { user, holdId } of await Promise.all(bookings))
        await eventually(
          'it is confirmed',
          async () => {
            const answer = await stack.api.call(reservations.getReservation, { as: user, params: { id: holdId } })
            return (answer.body as { reservation?: { status: string } }).reservation?.status === 'confirmed'
          },
          30_000,
        )
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 20 })
    },
    90_000,
  )
})

test('a wiped broker: what was under way goes on by itself', async () => {
  const offer = await anOffer(stack, { experience: { holdSeconds: 3 } })
  const { id } = await aHold(stack, guest, offer)
  const paidOffer = await anOffer(stack)
  const pending = await aPendingReservation(stack, guest, paidOffer)
  await deleteQueues('reservation', 'inventory', 'payment', 'timeout', 'timeout.due')
  await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
  await untilStatus(stack, guest, pending.id, 'confirmed', 30_000)
  await untilSeats(stack, paidOffer.timeSlotId, { held: 0, booked: 2 })
  await untilStatus(stack, guest, id, 'expired')
  await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
}, 60_000)

test('money that a wiped broker told nobody of is heard of all the same, though nobody asks', async () => {
  const { id, paymentIntentId } = await aConfirmedReservation(stack, guest)
  await eventually('reservation was asked about the payment', async () => {
    const [row] = await stack.rows<{ heard: boolean }>(
      'payment',
      'select audit_at is null as heard from payment where reservation_id = $1',
      [id],
    )
    return row?.heard
  })
  // The refund is made while reservation cannot hear of it, and the queue that has the message is lost.
  await takeDown('reservation')
  await stack.emulator.stripe.refunds.create({ payment_intent: paymentIntentId, amount: 1_000 })
  await eventually('payment knows of it, and has said so', async () => {
    const [row] = await stack.rows<{ known: boolean; said: boolean }>(
      'payment',
      `select exists (select from refund where payment_intent_id = $1) as known, not exists (select from outbox) as said`,
      [paymentIntentId],
    )
    return row?.known && row.said
  })
  await deleteQueues('reservation')
  await bringUp('reservation')
  const heard = () => stack.rows<{ status: string }>('reservation', refundsSql, [id])
  expect(await eventually('reservation knows', async () => (await heard())[0], 30_000)).toEqual({
    status: 'partially_refunded',
    amount: 1_000,
  })
}, 90_000)

const refundsSql = `
  select payment_status as status, (refunds -> 0 ->> 'amount')::int as amount
  from reservation where id = $1 and jsonb_array_length(refunds) = 1`

async function deleteQueues(...names: string[]): Promise<void> {
  const { rabbitmqManagementUrl, rabbitmqUrl } = stack.running.stack
  for (const name of names)
    await manage(rabbitmqManagementUrl, 'DELETE', `/api/queues/${vhostOf(rabbitmqUrl)}/holdfast.${name}`)
}
