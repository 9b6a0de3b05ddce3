import { Unavailable } from '@holdfast/contracts/errors'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { openTcpProxy, type TcpProxy } from '@holdfast/testing/tcp-proxy'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { sql } from 'slonik'
import { z } from 'zod'
import { type Database, openDatabase, statement } from './database.ts'
import { openReads, type Reads } from './reads.ts'

/** A database whose packets vanish, as behind a router that has died: nobody is told, and nobody answers. */
let origin: TestDatabase
let wire: TcpProxy
let database: Database
let reads: Reads
beforeAll(async () => {
  origin = await createTestDatabase()
  const url = new URL(origin.url)
  wire = await openTcpProxy({ host: url.hostname, port: Number(url.port) })
  Object.assign(url, { hostname: '127.0.0.1', port: wire.port })
  const logger = createLogger('test', { LOG_LEVEL: 'silent' })
  database = openDatabase(url.href, { poolSize: 2, applicationName: 'test', logger })
  reads = openReads(url.href, 2)
  // As a service does that starts: the driver knows its types from then on.
  await doors.slonik()
})
afterAll(async () => {
  wire.heal()
  await Promise.all([database.close(), reads.end()])
  await wire.close()
  await origin.drop()
})

const one = statement<{ one: number }>('test.one', 'select 1 as one')
const doors = {
  pg: () => database.one(one),
  slonik: () => reads.one(sql.type(z.object({ one: z.number() }))`select 1 as one`),
}

test.each(['pg', 'slonik'] as const)(
  '%s gives up within five seconds, and works at once when the wire is whole again',
  async (door) => {
    const ask = doors[door]
    // As many connections as the pool has, all of them deaf.
    await Promise.all([ask(), ask()])
    wire.blackHole()
    const startedAt = performance.now()
    const asked = await Promise.allSettled([ask(), ask(), ask()])
    // Five seconds, and what a busy machine adds; without a limit it would be minutes.
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    for (const answer of asked) expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(Unavailable) })
    wire.heal()
    expect(await ask()).toEqual({ one: 1 })
  },
  20_000,
)

test('a database that was away when it was first looked for is read as soon as it is there', async () => {
  const url = new URL(origin.url)
  Object.assign(url, { hostname: '127.0.0.1', port: wire.port })
  wire.refuse()
  const early = openReads(url.href, 2)
  const ask = () => early.one(sql.type(z.object({ one: z.number() }))`select 1 as one`)
  await expect(ask()).rejects.toBeInstanceOf(Unavailable)
  wire.heal()
  expect(await ask()).toEqual({ one: 1 })
  await early.end()
})
