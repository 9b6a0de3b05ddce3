import { Unavailable } from '@holdfast/contracts/errors'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { openTcpProxy } from '@holdfast/testing/tcp-proxy'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import pg from 'pg'
import { type Database, openDatabase, statement, translate } from './database.ts'
import { migrate } from './migrate.ts'

const logger = createLogger('test', { LOG_LEVEL: 'silent' })
let origin: TestDatabase
let database: Database
beforeAll(async () => {
  origin = await createTestDatabase()
  database = openDatabase(origin.url, { poolSize: 2, applicationName: 'test', logger })
})
afterAll(async () => {
  await database.close()
  await origin.drop()
})

test('a transaction in which an error was swallowed is not taken for committed', async () => {
  await database.run(statement('test.create', 'create table kept (id int primary key)'))
  const insert = statement('test.insert', 'insert into kept (id) values ($1)')
  const work = database.transaction(async (tx) => {
    await tx.run(insert, [1])
    await tx.run(insert, [1]).catch(() => {})
    return 'done'
  })
  await expect(work).rejects.toThrow('rolled back')
  expect(await database.many(statement('test.read', 'select id from kept'))).toEqual([])
})

test('a statement that a migration has overtaken is answered for as one of a database that is away, once', async () => {
  await database.run(statement('test.create-wide', 'create table wide (id int)'))
  const read = statement<{ id: number }>('test.read-wide', 'select * from wide')
  expect(await database.many(read)).toEqual([])
  await database.run(statement('test.widen', 'alter table wide add column more int'))
  await expect(database.many(read)).rejects.toBeInstanceOf(Unavailable)
  expect(await database.many(read)).toEqual([])
})

test('a migration whose connection is cut while it waits for its turn fails, and the process lives', async () => {
  const url = new URL(origin.url)
  const wire = await openTcpProxy({ host: url.hostname, port: Number(url.port) })
  Object.assign(url, { hostname: '127.0.0.1', port: wire.port })
  const other = await takeTurn()
  const failed = expect(migrate(url.href, [], logger)).rejects.toThrow(/ECONNRESET|terminated/)
  await eventually('it waits', async () => (await other.query(waiting)).rowCount === 1)
  wire.cut()
  await failed
  await other.end()
  await wire.close()
})

test('a migration waits for its turn longer than any statement of its role may take', async () => {
  const url = new URL(origin.url)
  url.searchParams.set('options', '-c statement_timeout=50')
  const other = await takeTurn()
  const migrated = migrate(url.href, [], logger)
  const waitsLonger = `${waiting} and now() - query_start > interval '100 ms'`
  await eventually('it waits', async () => (await other.query(waitsLonger)).rowCount === 1)
  await other.end()
  await migrated
})

const waiting = `select pid from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`

/** As an instance that is migrating. */
async function takeTurn(): Promise<pg.Client> {
  const other = new pg.Client({ connectionString: origin.url })
  await other.connect()
  await other.query('select pg_advisory_lock(4711000001)')
  return other
}

test('a database that does not answer whoever connects is away: a service that starts waits for it', async () => {
  const wire = await openTcpProxy({ port: Number(new URL(origin.url).port) })
  wire.blackHole()
  const url = new URL(origin.url)
  Object.assign(url, { hostname: '127.0.0.1', port: wire.port })
  const failure = async (work: Promise<unknown>) => translate(await work.catch((error: unknown) => error))
  expect(await failure(migrate(url.href, [], logger))).toBeInstanceOf(Unavailable)
  await wire.close()
}, 20_000)
