import { randomUUID } from 'node:crypto'
import { send } from '@holdfast/contracts/message'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { on } from './handler.ts'
import { type Messaging, messagingMigrations, openMessaging } from './messaging.ts'

/** A database that takes no writes for a while: it has failed over to a standby, or its disk is full. */
const lines: string[] = []
const logger = createLogger('test', { LOG_LEVEL: 'warn' }, { write: (line) => lines.push(line) })
let broker: TestBroker
let stores: TestDatabase[]
let databases: Database[]
let reservation: Messaging
let inventory: Messaging
const handled: string[] = []

beforeAll(async () => {
  broker = await createTestBroker()
  stores = await Promise.all([createTestDatabase([messagingMigrations]), createTestDatabase([messagingMigrations])])
  databases = stores.map(({ url }) => openDatabase(url, { poolSize: 4, applicationName: 'test', logger }))
  const [a, b] = databases
  if (!a || !b) throw new Error('two databases were asked for')
  reservation = openMessaging({ service: 'reservation', instance: 'r', urls: [broker.url], database: a, logger })
  inventory = openMessaging({ service: 'inventory', instance: 'i', urls: [broker.url], database: b, logger })
  inventory.listen({
    handlers: [
      on(ConfirmSeats, async ({ reservationId }) => {
        handled.push(reservationId)
      }),
    ],
  })
  await eventually('both are connected', async () => reservation.connected() && inventory.connected())
})
afterAll(async () => {
  await Promise.all([reservation.stop(), inventory.stop()])
  await Promise.all(databases.map((database) => database.close()))
  await Promise.all(stores.map((store) => store.drop()))
  await broker.drop()
})

/** By way of the other database: this one may not be written to. */
async function setReadOnly(by: Database | undefined, url: string, readOnly: boolean): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  const alter = `alter database ${name} set default_transaction_read_only = ${readOnly ? 'on' : 'off'}`
  await by?.run(statement(`test.alter-${readOnly}`, alter))
  const end = 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1'
  await by?.run(statement('test.end', end), [name])
}

test('a database that takes no writes is away: what comes meanwhile waits, and is given back once', async () => {
  const url = stores[1]?.url ?? ''
  await setReadOnly(databases[0], url, true)
  const id = randomUUID()
  await reservation.transact(async (tx) => tx.say(send(ConfirmSeats, { reservationId: id })))
  const pauses = () => lines.filter((line) => line.includes('pausing')).length
  await eventually('it was noticed', async () => pauses() > 0)
  const until = Date.now() + 4_000
  await eventually('some time has passed', async () => Date.now() > until)
  expect(handled).not.toContain(id)
  expect(pauses()).toBe(1)
  await setReadOnly(databases[0], url, false)
  await eventually('it was handled', async () => handled.includes(id))
  expect(pauses()).toBeLessThanOrEqual(2)
})

test('a database that seems to be back and is not is left alone longer each time', async () => {
  const inventoryDb = databases[1]
  const fill = `create function full_disk() returns trigger language plpgsql as $$
    begin raise 'could not extend file' using errcode = '53100'; end $$`
  await inventoryDb?.run(statement('test.fill', fill))
  for (const table of ['inbox', 'failed_message']) {
    const refuse = `create trigger no_room before insert on ${table} execute function full_disk()`
    await inventoryDb?.run(statement(`test.refuse-${table}`, refuse))
  }
  lines.length = 0
  const id = randomUUID()
  const from = performance.now()
  await reservation.transact(async (tx) => tx.say(send(ConfirmSeats, { reservationId: id })))
  const pauses = () => lines.filter((line) => line.includes('pausing')).length
  // Each time twice as long: were it half a second each time, RabbitMQ would give up on it after ten.
  await eventually('it has failed three times', async () => pauses() === 3, 15_000)
  expect(performance.now() - from).toBeGreaterThan(1_450)
  await inventoryDb?.run(statement('test.empty', 'drop function full_disk cascade'))
  await eventually('it was handled', async () => handled.includes(id), 15_000)
}, 40_000)
