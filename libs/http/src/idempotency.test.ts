import type { Route } from '@holdfast/contracts/route'
import { expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { idempotencyKeyOf } from './idempotency.ts'

test('a key is one key however its path is spelled', async () => {
  const app = Fastify()
  const route = { method: 'POST', url: '/v1/things', idempotency: 'required' } as Route
  app.post(route.url, async (request) => idempotencyKeyOf(request, route, 'alice')?.id)
  const idAt = async (url: string) =>
    (await app.inject({ method: 'POST', url, headers: { 'x-idempotency-key': 'one' }, payload: {} })).body
  const id = await idAt('/v1/things')
  expect(id).toMatch(/^[\da-f-]{36}$/)
  for (const url of ['/v1/things?x=1', '/v1/thing%73', '/%761/things']) expect(await idAt(url)).toBe(id)
  await app.close()
})
