import { randomUUID } from 'node:crypto'
import { Unavailable } from '@holdfast/contracts/errors'
import { send } from '@holdfast/contracts/message'
import {
  AllocateSeats,
  ConfirmSeats,
  ReacquireSeats,
  ReleaseSeats,
  SeatsConfirmed,
} from '@holdfast/contracts/messages/inventory'
import { ReadPayments } from '@holdfast/contracts/messages/payment'
import { AuditAllocations } from '@holdfast/contracts/messages/reservation'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { childTraceparent, inContext } from '@holdfast/runtime/context'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { connect } from 'amqplib'
import { messageIdOf, wrap } from './envelope.ts'
import { answer, on, task } from './handler.ts'
import { type Messaging, messagingMigrations, openMessaging } from './messaging.ts'
import { outboxRow } from './outbox.ts'
import { requestQueueOf } from './topology.ts'

/** Two services that speak with one another over a real broker, each with its own real database. */
const logger = createLogger('test', { LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' })
let broker: TestBroker
let databases: TestDatabase[]
let reservationDb: Database
let inventoryDb: Database
let reservation: Messaging
let inventory: Messaging

const { promise: ended, resolve: end } = Promise.withResolvers<void>()
const { promise: released, resolve: release } = Promise.withResolvers<void>()
const confirmedSeats: string[] = []
const handled = new Map<string, number>()
const failing = new Map<string, number>()
/** Ids for which inventory can't answer, or never does. */
const stuck = new Set<string>()
const silent = new Set<string>()
const slowWhenTriedAgain = new Set<string>()

beforeAll(async () => {
  broker = await createTestBroker()
  databases = await Promise.all([createTestDatabase([messagingMigrations]), createTestDatabase([messagingMigrations])])
  const [a, b] = databases.map(({ url }) => openDatabase(url, { poolSize: 8, applicationName: 'test', logger }))
  if (!a || !b) throw new Error('two databases were asked for')
  reservationDb = a
  inventoryDb = b
  reservation = openMessaging({ service: 'reservation', instance: 'r', urls: [broker.url], database: a, logger })
  inventory = openMessaging({ service: 'inventory', instance: 'i', urls: [broker.url], database: b, logger })
  reservation.listen({
    handlers: [
      on(SeatsConfirmed, async ({ reservationId }) => {
        confirmedSeats.push(reservationId)
      }),
    ],
    answers: [answer(AuditAllocations, async ({ reservationIds }) => ({ release: reservationIds }))],
  })
  inventory.listen({
    handlers: [
      on(ConfirmSeats, async ({ reservationId }, tx) => {
        handled.set(reservationId, (handled.get(reservationId) ?? 0) + 1)
        const left = failing.get(reservationId) ?? 0
        failing.set(reservationId, left - 1)
        if (left > 0) throw new Error('not this time')
        if (slowWhenTriedAgain.has(reservationId)) await released
        tx.say(send(SeatsConfirmed, { reservationId }))
      }),
      task(ReleaseSeats, async () => {}),
    ],
    answers: [
      answer(AllocateSeats, async ({ guests, reservationId }) => {
        if (stuck.has(reservationId)) throw new Unavailable('the database is away')
        if (silent.has(reservationId)) await ended
        return { outcome: 'not_enough_capacity' as const, available: guests - 1 }
      }),
    ],
  })
  await eventually('both are connected', async () => reservation.connected() && inventory.connected())
})

afterAll(async () => {
  end()
  await Promise.all([reservation?.stop(), inventory?.stop()])
  await Promise.all([reservationDb?.close(), inventoryDb?.close()])
  await Promise.all(databases.map((database) => database.drop()))
  await broker.drop()
})

/** As whoever may write to the broker. */
async function publish(content: string): Promise<void> {
  const connection = await connect(broker.url)
  const channel = await connection.createConfirmChannel()
  channel.publish('holdfast.commands', 'inventory.confirm-seats.v1', Buffer.from(content))
  await channel.waitForConfirms()
  await connection.close()
}
const confirmSeats = (reservationId: string) =>
  reservation.transact(async (tx) => tx.say(send(ConfirmSeats, { reservationId })))
const timesConfirmed = (id: string) => confirmedSeats.filter((known) => known === id).length
const isConfirmed = (id: string) => async () => timesConfirmed(id) > 0
const count = statement<{ count: number }>('test.outbox', 'select count(*)::int as count from outbox')

describe('a message', () => {
  test('is heard, answered, and leaves nothing in the outbox', async () => {
    const id = randomUUID()
    await confirmSeats(id)
    await eventually('it was answered', isConfirmed(id))
    await eventually('the outbox is empty', async () => (await reservationDb.one(count)).count === 0)
  })

  test('of a transaction that was rolled back is never said', async () => {
    const [undone, done] = [randomUUID(), randomUUID()]
    const failed = reservation.transact(async (tx) => {
      tx.say(send(ConfirmSeats, { reservationId: undone }))
      throw new Error('changed my mind')
    })
    await expect(failed).rejects.toThrow('changed my mind')
    await confirmSeats(done)
    await eventually('the next one was answered', isConfirmed(done))
    expect(handled.has(undone)).toBe(false)
  })

  test('said twice is handled once, and its answer is said again', async () => {
    const id = randomUUID()
    await confirmSeats(id)
    await eventually('it was answered', isConfirmed(id))
    await confirmSeats(id)
    const other = randomUUID()
    await confirmSeats(other)
    await eventually('what came after was answered', isConfirmed(other))
    await eventually('the duplicate was told its answer', async () => (await inventoryDb.one(count)).count === 0)
    expect(handled.get(id)).toBe(1)
    // The answer came twice, with the same id: the listener's own inbox let one through.
    expect(timesConfirmed(id)).toBe(1)
  })

  test('whose handler fails is tried again and then done', async () => {
    const id = randomUUID()
    failing.set(id, 1)
    await confirmSeats(id)
    await eventually('it was answered after all', isConfirmed(id))
    expect(handled.get(id)).toBe(2)
  })

  test('that is tried again and takes long holds up no other that is tried again', async () => {
    const [slow, quick] = [randomUUID(), randomUUID()]
    failing.set(slow, 1)
    failing.set(quick, 1)
    slowWhenTriedAgain.add(slow)
    // In one transaction, so that their time comes together.
    await reservation.transact(async (tx) =>
      tx.say(...[slow, quick].map((reservationId) => send(ConfirmSeats, { reservationId }))),
    )
    await eventually('the quick one was answered', isConfirmed(quick), 5_000)
    expect(timesConfirmed(slow)).toBe(0)
    release()
    await eventually('the slow one was answered', isConfirmed(slow))
  })

  const strange = wrap(send(ConfirmSeats, { reservationId: randomUUID() }), 'reservation')
  test.each([
    ['nobody can read', '{"no":"envelope"\0}'],
    ['has an id of another kind', JSON.stringify({ ...strange, id: 'one' })],
    ['holds a NUL, which Postgres does not keep', JSON.stringify({ ...strange, data: { text: 'a\0b' } })],
    ['holds half a character', JSON.stringify({ ...strange, source: '\ud800' })],
  ])('that %s is kept as a dead letter and delays no other', async (_, content) => {
    await inventoryDb.run(statement('test.forget', `delete from failed_message where type = 'malformed'`))
    await publish(content)
    const id = randomUUID()
    await confirmSeats(id)
    await eventually('the next one was answered', isConfirmed(id))
    const dead = statement<{ reason: string }>(
      'test.dead',
      `select reason from failed_message where type = 'malformed'`,
    )
    const kept = await eventually('it was kept', () => inventoryDb.maybeOne(dead))
    expect(kept.reason).toMatch('it is not an envelope')
  })

  test('whose body is too deep to be written is kept without it', async () => {
    const depth = 20_000
    const envelope = JSON.stringify({ ...strange, id: randomUUID(), data: 'here' })
    await publish(envelope.replace('"here"', '['.repeat(depth) + ']'.repeat(depth)))
    const id = randomUUID()
    await confirmSeats(id)
    await eventually('the next one was answered', isConfirmed(id))
    const { id: deepId } = JSON.parse(envelope)
    const kept = await eventually('it was kept', () => inventoryDb.maybeOne(findFailed, [deepId]))
    expect(kept.reason).toMatch('its body cannot be kept')
  })

  const findFailed = statement<{ reason: string }>('test.failed', 'select reason from failed_message where id = $1')

  test('that nobody hears yet is a dead letter with that reason', async () => {
    const reservationId = randomUUID()
    const message = send(ReacquireSeats, {
      reservationId,
      experienceId: randomUUID(),
      timeSlotId: randomUUID(),
      guests: 1,
    })
    await reservation.transact(async (tx) => tx.say(message))
    const kept = await eventually('it was kept', () => inventoryDb.maybeOne(findFailed, [messageIdOf(message)]))
    expect(kept.reason).toMatch('nobody here hears')
  })

  test('of a task that was a dead letter is none any more when it is said again and done', async () => {
    const message = send(ReleaseSeats, { reservationId: randomUUID() })
    const keep = statement(
      'test.keep',
      `insert into failed_message (id, type, envelope, reason, retry_at) values ($1, 'any', '{}', 'as ever', null)`,
    )
    await inventoryDb.run(keep, [messageIdOf(message)])
    await reservation.transact(async (tx) => tx.say(message))
    await eventually('it is forgotten', async () => !(await inventoryDb.maybeOne(findFailed, [messageIdOf(message)])))
  })

  test('whose writer died before publishing is published by another once its lease is over', async () => {
    const id = randomUUID()
    const row = outboxRow(send(ConfirmSeats, { reservationId: id }), 'reservation')
    const orphan = statement(
      'test.orphan',
      `insert into outbox (id, exchange, routing_key, envelope, lease_until) values ($1, $2, $3, $4, now() - interval '1 ms')`,
    )
    await reservationDb.run(orphan, [row.id, row.exchange, row.routingKey, JSON.stringify(row.envelope)])
    await eventually('it was answered', isConfirmed(id))
  })
})

describe('a question', () => {
  const ask = (reservationId = randomUUID()) =>
    reservation.ask(AllocateSeats, {
      reservationId,
      experienceId: randomUUID(),
      timeSlotId: randomUUID(),
      guests: 3,
    })

  test('is answered', async () => {
    expect(await ask()).toEqual({ outcome: 'not_enough_capacity', available: 2 })
  })

  test('can be asked by both sides at once', async () => {
    const id = randomUUID()
    const answers = await Promise.all([ask(), inventory.ask(AuditAllocations, { reservationIds: [id] })])
    expect(answers[1]).toEqual({ release: [id] })
  })

  test('is waited for no longer than somebody waits for us', async () => {
    const id = randomUUID()
    silent.add(id)
    const startedAt = performance.now()
    const waiting = { traceparent: childTraceparent(), causationId: 'test', answerBy: Date.now() + 200 }
    await expect(inContext(waiting, () => ask(id))).rejects.toThrow(new Unavailable('inventory did not answer in time'))
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  test('that nobody waits for any more is not there for whoever comes to answer', async () => {
    const waiting = { traceparent: childTraceparent(), causationId: 'test', answerBy: Date.now() + 300 }
    const asked = inContext(waiting, () => reservation.ask(ReadPayments, { of: [randomUUID()] }))
    await expect(asked).rejects.toThrow(new Unavailable('payment did not answer in time'))
    const connection = await connect(broker.url)
    const channel = await connection.createChannel()
    // Nobody is there to answer for payment.
    const isGone = async () => (await channel.checkQueue(requestQueueOf('payment'))).messageCount === 0
    await eventually('the broker has thrown it away', isGone, 2_000)
    await connection.close()
  })

  test('to a service whose database is away is unavailable at once', async () => {
    const id = randomUUID()
    stuck.add(id)
    await expect(ask(id)).rejects.toBeInstanceOf(Unavailable)
  })
})

describe('the connection', () => {
  test('heals when the broker deletes a queue', async () => {
    const connection = await connect(broker.url)
    const channel = await connection.createChannel()
    await channel.deleteQueue('holdfast.inventory')
    await connection.close()
    const id = randomUUID()
    await confirmSeats(id)
    await eventually('it was answered', isConfirmed(id))
  })

  test('survives being cut by the broker again and again', async () => {
    for (let round = 0; round < 2; round += 1) {
      await eventually('connections were cut', () => broker.cutConnections().then((cut) => cut > 0))
      const id = randomUUID()
      await confirmSeats(id)
      await eventually('it was answered', isConfirmed(id), 15_000)
    }
  }, 60_000)
})
