import { randomUUID } from 'node:crypto'
import { Unavailable } from '@holdfast/contracts/errors'
import { send } from '@holdfast/contracts/message'
import { AllocateSeats, ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { openTcpProxy, type TcpProxy } from '@holdfast/testing/tcp-proxy'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { messageIdOf } from './envelope.ts'
import { on } from './handler.ts'
import { type Messaging, messagingMigrations, openMessaging } from './messaging.ts'
import { outboxRow } from './outbox.ts'

/** Reservation speaks to the broker over a wire that is cut, goes dead, or brings bad news; inventory has a good one. */
const logger = createLogger('test', { LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' })
let broker: TestBroker
let wire: TcpProxy
let databases: TestDatabase[]
let speakers: Database
let hearers: Database
let reservation: Messaging
let inventory: Messaging
const handled = new Map<string, number>()

beforeAll(async () => {
  broker = await createTestBroker()
  databases = await Promise.all([createTestDatabase([messagingMigrations]), createTestDatabase([messagingMigrations])])
  const [a, b] = databases.map(({ url }) => openDatabase(url, { poolSize: 4, applicationName: 'test', logger }))
  if (!a || !b) throw new Error('two databases were asked for')
  speakers = a
  hearers = b
  const url = new URL(broker.url)
  wire = await openTcpProxy({ host: url.hostname, port: Number(url.port) })
  Object.assign(url, { hostname: '127.0.0.1', port: wire.port })
  reservation = openMessaging({ service: 'reservation', instance: 'r', urls: [url.href], database: a, logger })
  inventory = openInventory('i')
  await eventually('both are connected', async () => reservation.connected() && inventory.connected())
})
afterEach(() => wire.heal())
afterAll(async () => {
  await Promise.all([reservation?.stop(), inventory?.stop()])
  await Promise.all([speakers?.close(), hearers?.close()])
  await wire.close()
  await Promise.all(databases.map((database) => database.drop()))
  await broker.drop()
})

function openInventory(instance: string): Messaging {
  const opened = openMessaging({ service: 'inventory', instance, urls: [broker.url], database: hearers, logger })
  opened.listen({
    handlers: [
      on(ConfirmSeats, async ({ reservationId }) => {
        handled.set(reservationId, (handled.get(reservationId) ?? 0) + 1)
      }),
    ],
  })
  return opened
}

const confirmSeats = (reservationId: string) =>
  reservation.transact(async (tx) => tx.say(send(ConfirmSeats, { reservationId })))
const isHandled = (id: string) => async () => handled.has(id)
const outbox = statement<{ tries: number; parked: boolean }>(
  'test.outbox-row',
  'select tries, parked_at is not null as parked from outbox where id = $1',
)
const idOf = (reservationId: string) => messageIdOf(send(ConfirmSeats, { reservationId }))

describe('the wire to the broker', () => {
  test('is cut fifty times while messages are under way: each is handled, once', async () => {
    const ids: string[] = []
    for (let round = 0; round < 50; round += 1) {
      const id = randomUUID()
      ids.push(id)
      await confirmSeats(id)
      wire.cut()
      await eventually('somebody has connected again', async () => wire.open() > 0)
    }
    await eventually('all were handled', async () => ids.every((id) => handled.has(id)), 30_000)
    for (const id of ids) expect(handled.get(id)).toBe(1)
  }, 60_000)

  test('goes dead: that is noticed within fifteen seconds, and what was said meanwhile is heard', async () => {
    await eventually('it is connected', async () => reservation.connected())
    wire.blackHole()
    const id = randomUUID()
    await confirmSeats(id)
    await eventually('it was noticed', async () => !reservation.connected(), 15_000)
    wire.heal()
    await eventually('it was heard', isHandled(id), 15_000)
    expect(handled.get(id)).toBe(1)
  }, 45_000)
})

/** AMQP 0-9-1: a method frame on channel 0. */
function methodFrame(method: 'blocked' | 'unblocked'): Buffer {
  const reason = Buffer.from(method === 'blocked' ? '\x0alow on disk' : '')
  const payload = Buffer.concat([Buffer.from([0, 10, 0, method === 'blocked' ? 60 : 61]), reason])
  const header = Buffer.alloc(7)
  header.writeUInt8(1, 0)
  header.writeUInt32BE(payload.length, 3)
  return Buffer.concat([header, payload, Buffer.from([0xce])])
}

test('a broker that is short of disk is away at once, and costs its messages no tries', async () => {
  await eventually('it is connected', async () => reservation.connected())
  wire.inject(methodFrame('blocked'))
  await eventually('it is known', async () => !reservation.connected())
  const question = { reservationId: randomUUID(), experienceId: randomUUID(), timeSlotId: randomUUID(), guests: 1 }
  const asked = reservation.ask(AllocateSeats, question)
  await expect(asked).rejects.toThrow(new Unavailable('the broker is short of memory or disk'))
  const id = randomUUID()
  await confirmSeats(id)
  expect(await speakers.one(outbox, [idOf(id)])).toEqual({ tries: 0, parked: false })
  wire.inject(methodFrame('unblocked'))
  await eventually('it was heard', isHandled(id), 15_000)
})

const insert = statement(
  'test.insert',
  `insert into outbox (id, exchange, routing_key, envelope, lease_until, tries)
   values ($1, $2, $3, $4, now() - interval '1 ms', $5)`,
)

test("a message that no queue takes is tried a hundred times and then parked, in nobody's way", async () => {
  await eventually('it is connected', async () => reservation.connected())
  const stray = outboxRow(send(ConfirmSeats, { reservationId: randomUUID() }), 'reservation')
  await speakers.run(insert, [stray.id, stray.exchange, 'nobody.hears.this.v1', JSON.stringify(stray.envelope), 98])
  await eventually('a refusal was counted', async () => (await speakers.one(outbox, [stray.id])).tries === 99)
  const id = randomUUID()
  await confirmSeats(id)
  await eventually('another one was heard', isHandled(id))
  await eventually('it was parked', async () => (await speakers.one(outbox, [stray.id])).parked, 15_000)
  expect((await speakers.one(outbox, [stray.id])).tries).toBe(100)
}, 30_000)

test('a message that comes again after seven days is known; the inbox forgets after eight', async () => {
  const [known, forgotten] = [randomUUID(), randomUUID()]
  const remember = statement(
    'test.remember',
    `insert into inbox (id, type, received_at) values ($1, 'x', now() - make_interval(days => $2))`,
  )
  await hearers.run(remember, [idOf(known), 7])
  await hearers.run(remember, [idOf(forgotten), 9])
  // One more instance cleans when it starts.
  const another = openInventory('i-2')
  const isThere = statement<{ id: string }>('test.is-there', 'select id::text from inbox where id = $1')
  await eventually('it was cleaned', async () => !(await hearers.maybeOne(isThere, [idOf(forgotten)])))
  await another.stop()
  await confirmSeats(known)
  await confirmSeats(forgotten)
  await eventually('the forgotten one was handled', isHandled(forgotten))
  await eventually('both have left', async () => !(await speakers.maybeOne(outbox, [idOf(known)])))
  expect(handled.has(known)).toBe(false)
})
