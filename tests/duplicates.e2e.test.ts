import { allMessages, typeOf } from '@holdfast/contracts/message'
import '@holdfast/contracts/messages/all'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { exchangeOf } from '@holdfast/messaging/topology'
import { eventually } from '@holdfast/testing/facts'
import { expect, test } from '@jest/globals'
import { type Channel, connect, type GetMessage } from 'amqplib'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  untilSeats,
  untilStatus,
} from './support/situation.ts'
import { stackOfThisFile } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** Every message of many bookings, said once more when all is over: the last first, and each of them twice. */
const stack = stackOfThisFile({
  reservation: { CLOSE_DEADLINE_SECONDS: '1', PAYMENT_POLL_SECONDS: '1,2' },
  payment: { MONEY_AUDIT_GRACE_SECONDS: '1' },
})

const tap = 'test.tap'

test('every message that is heard again, in any order, leaves every row as it was', async () => {
  const connection = await connect(stack.running.stack.rabbitmqUrl)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(tap, { durable: true })
  await bindToEverything(channel)
  await tellStories()
  await eventually('all is at rest', isAtRest, 30_000)
  const before = await everything()

  const heard = await drainTap(channel)
  expect(new Set(heard.map(({ fields }) => fields.routingKey)).size).toBeGreaterThanOrEqual(12)
  await channel.deleteQueue(tap)
  for (const { fields, content, properties } of [...heard, ...heard].reverse())
    channel.publish(fields.exchange, fields.routingKey, content, properties)
  await channel.waitForConfirms()
  await connection.close()
  await untilAllIsHandled()
  expect(await everything()).toEqual(before)
}, 180_000)

/** One booking of each kind, to its end. */
async function tellStories(): Promise<void> {
  const guest = aUser()
  const offer = await anOffer(stack)
  const short = await anOffer(stack, { experience: { holdSeconds: 2 } })

  await aConfirmedReservation(stack, guest, offer)
  const released = await aHold(stack, guest, offer)
  await stack.api.ok(reservations.releaseHold, { as: guest, params: { id: released.id } })
  const declined = await aPendingReservation(stack, guest, offer)
  await stack.stripeJs.confirmCardPayment(declined.clientSecret, cards.declined)
  await stack.stripeJs.confirmCardPayment(declined.clientSecret, cards.success)
  await untilStatus(stack, guest, declined.id, 'confirmed')
  await stack.emulator.stripe.refunds.create({ payment_intent: declined.paymentIntentId, amount: 500 })

  const expired = await aHold(stack, guest, short)
  const [free, sold] = [await latePayment(guest, false), await latePayment(guest, true)]
  await untilStatus(stack, guest, expired.id, 'expired')
  await untilSeats(stack, short.timeSlotId, { held: 0, booked: 0 })
  const outcomeOf = async (id: string) =>
    (await stack.api.ok(reservations.getPaymentStatus, { as: guest, params: { id } })).data.outcome
  await eventually('the seats were taken again', async () => (await outcomeOf(free)) === 'late_payment_confirmed')
  await eventually('the money went back', async () => (await outcomeOf(sold)) === 'late_payment_refunded')
}

/** Stripe hangs while the hold ends; the guest pays after that, when the seats are free or are somebody else's. */
async function latePayment(guest: string, isSold: boolean): Promise<string> {
  const offer = await anOffer(stack, { experience: { holdSeconds: 2 }, slot: { capacity: 2 } })
  await stack.emulator.fault({ operation: 'payment_intents.cancel', times: 100, fault: 'delay', delayMs: 6_000 })
  const { id, clientSecret } = await aPendingReservation(stack, guest, offer)
  await untilStatus(stack, guest, id, 'expired', 20_000)
  await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  if (isSold) await aConfirmedReservation(stack, aUser(), offer)
  await stack.stripeJs.confirmCardPayment(clientSecret, cards.success)
  await stack.emulator.reset()
  return id
}

/** Each message by its own key: commands go to a direct exchange. */
async function bindToEverything(channel: Channel): Promise<void> {
  for (const definition of allMessages().filter(({ kind }) => kind !== 'request'))
    await channel.bindQueue(tap, exchangeOf(definition), typeOf(definition))
}

async function drainTap(channel: Channel): Promise<GetMessage[]> {
  const heard: GetMessage[] = []
  for (;;) {
    const message = await channel.get(tap, { noAck: true })
    if (message === false) return heard
    heard.push(message)
  }
}

const count = async (database: 'inventory' | 'reservation' | 'payment', from: string) =>
  Number((await stack.rows<{ count: string }>(database, `select count(*) from ${from}`))[0]?.count)

async function isAtRest(): Promise<boolean> {
  const waiting = [
    await count('reservation', 'reservation where wake_at is not null'),
    await count('payment', `stripe_call where state = 'pending'`),
    await count('payment', `payment where state = 'closing' or audit_at is not null`),
    await count('inventory', `allocation where state = 'held'`),
  ]
  for (const database of ['inventory', 'reservation', 'payment'] as const)
    waiting.push(await count(database, 'outbox'), await count(database, 'failed_message'))
  return waiting.every((rows) => rows === 0)
}

const services = ['inventory', 'reservation', 'payment', 'timeout'] as const

/** A queue does not count what is delivered and not acknowledged. A service that stops finishes that, or gives it back. */
async function untilAllIsHandled(): Promise<void> {
  for (;;) {
    await eventually('the queues are empty', areQueuesEmpty, 60_000)
    await eventually('all is at rest', isAtRest, 30_000)
    await Promise.all(services.map((name) => stack.running.down(name)))
    if ((await areQueuesEmpty()) && (await isAtRest())) return
    await Promise.all(services.map((name) => stack.running.up(name)))
  }
}

async function areQueuesEmpty(): Promise<boolean> {
  const connection = await connect(stack.running.stack.rabbitmqUrl)
  try {
    const channel = await connection.createChannel()
    for (const service of services) if ((await channel.checkQueue(`holdfast.${service}`)).messageCount > 0) return false
    return true
  } finally {
    await connection.close()
  }
}

/** Every row that means something, but for the times at which it was touched. */
async function everything(): Promise<Record<string, unknown>> {
  const table = async (database: 'inventory' | 'reservation' | 'payment', name: string, order: string) => [
    name,
    (
      await stack.rows<{ row: object }>(
        database,
        `select to_jsonb(t) - 'updated_at' - 'repeats' - 'poll_round' - 'audits' - 'tries' - 'generation' as row
         from ${name} t order by ${order}`,
      )
    ).map(({ row }) => row),
  ]
  const tables = await Promise.all([
    table('reservation', 'reservation', 'id'),
    table('reservation', 'timeline', 'id'),
    table('inventory', 'time_slot', 'id'),
    table('inventory', 'allocation', 'reservation_id'),
    table('payment', 'payment', 'id'),
    table('payment', 'payment_intent', 'id'),
    table('payment', 'refund', 'id'),
    table('payment', 'stripe_call', 'key'),
  ])
  const { data: refunds } = await stack.emulator.stripe.refunds.list({ limit: 100 })
  const { data: intents } = await stack.emulator.stripe.paymentIntents.list({ limit: 100 })
  return { ...Object.fromEntries(tables), refunds, intents }
}
