import { DomainError } from '@holdfast/contracts/errors'
import type { Route } from '@holdfast/contracts/route'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Verifier } from './auth.ts'
import { idempotencyMigrations, storeAnswer } from './idempotency.ts'
import { createServer, router } from './server.ts'

const logger = createLogger('test', { LOG_LEVEL: 'silent' })
const conflict = statement('test.conflict', "do $$ begin raise 'again' using errcode = '40001'; end $$")
const route = {
  ...{ service: 'reservation', method: 'POST', url: '/v1/things', summary: '', auth: 'user', idempotency: 'required' },
  reply: z.object({ made: z.boolean() }),
} as unknown as Route
const verifier = { verify: async () => ({ id: 'alice', isOperator: false }) } as unknown as Verifier

let server: TestDatabase
let database: Database
let app: FastifyInstance
/** What the transaction of a request comes to, try by try. */
let tries: ('written, and undone' | 'refused' | 'overtaken' | 'answered by another')[]
const overtake = statement('test.overtake', `update idempotency_key set locked_until = now() + interval '1 hour'`)
const answerElsewhere = statement(
  'test.answer-elsewhere',
  `update idempotency_key set status = 200, body = '{"made":true}', locked_until = null`,
)
beforeAll(async () => {
  server = await createTestDatabase([idempotencyMigrations])
  database = openDatabase(server.url, { poolSize: 2, applicationName: 'test', logger })
  app = createServer({ logger, ready: {} })
  router(app, { verifier, database }).serve(route, ({ key }) =>
    database.transaction(async (tx) => {
      const fate = tries.shift()
      if (fate === 'overtaken') await database.run(overtake)
      if (fate === 'answered by another') await database.run(answerElsewhere)
      if (fate !== 'written, and undone') throw new DomainError('TIME_SLOT_NOT_AVAILABLE')
      if (key) await storeAnswer(tx, key, { status: 200, body: { made: true } })
      await tx.run(conflict)
      return { made: true }
    }),
  )
})
afterAll(async () => {
  await app.close()
  await database.close()
  await server.drop()
})

const ask = (key: string) =>
  app.inject({ method: 'POST', url: route.url, headers: { 'x-idempotency-key': key }, payload: {} })

test('the answer of a transaction that was undone, and run again to another end, is that of the last', async () => {
  tries = ['written, and undone', 'refused']
  const first = await ask('one')
  expect(first.json()).toMatchObject({ error: 'TIME_SLOT_NOT_AVAILABLE' })
  const again = await ask('one')
  expect(again.headers['idempotent-replayed']).toBe('true')
  expect(again.body).toBe(first.body)
})

test('a run that another has overtaken says nothing that is not on record', async () => {
  tries = ['written, and undone', 'overtaken']
  expect((await ask('overtaken')).json()).toMatchObject({ error: 'IDEMPOTENCY_KEY_IN_USE' })
})

test('a run that another has overtaken and answered for gives that answer', async () => {
  tries = ['written, and undone', 'answered by another']
  const answer = await ask('answered')
  expect(answer.json()).toEqual({ made: true })
  expect(answer.headers['idempotent-replayed']).toBe('true')
})
