import { Unavailable } from '@holdfast/contracts/errors'
import { createLogger } from '@holdfast/runtime/logger'
import { registry } from '@holdfast/runtime/metrics'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Database, openDatabase, statement } from './database.ts'

const unavailable = (message: string) => ({ constructor: Unavailable, message })
const ping = statement<{ up: number }>('test.ping', 'select 1 as up')
let server: TestDatabase
let database: Database
beforeEach(async () => {
  server = await createTestDatabase()
  const logger = createLogger('test', { LOG_LEVEL: 'silent' })
  database = openDatabase(server.url, { poolSize: 1, applicationName: 'test', logger })
})
afterEach(async () => {
  await database.close()
  await server.drop()
})

test('who finds every connection in use is told so in time, and the metrics show it', async () => {
  await database.transaction(async () => {
    const waiting = expect(database.one(ping)).rejects.toMatchObject(
      unavailable('every connection to the database is in use'),
    )
    expect(await connections()).toEqual({ busy: 1, idle: 0, waiting: 1 })
    await waiting
  })
  expect(await database.one(ping)).toEqual({ up: 1 })
  expect(await connections()).toEqual({ busy: 0, idle: 1, waiting: 0 })
})

test('who finds no database is told that', async () => {
  await server.drop()
  await expect(database.one(ping)).rejects.toMatchObject(unavailable('the database is not reachable'))
})

async function connections(): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('holdfast_database_connections')?.get()
  return Object.fromEntries(metric?.values.map(({ labels, value }) => [labels.state, value]) ?? [])
}
