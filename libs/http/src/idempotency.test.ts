import type { Route } from '@holdfast/contracts/route'
import { sendRaw } from '@holdfast/testing/raw-http'
import { expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { idempotencyKeyOf } from './idempotency.ts'

test('a key is one key however its path is spelled', async () => {
  const app = Fastify()
  const route = { method: 'POST', url: '/v1/things', idempotency: 'required' } as Route
  app.post(route.url, async (request) => idempotencyKeyOf(request, route, 'alice')?.id)
  const server = await app.listen({ host: '127.0.0.1', port: 0 })
  const idAt = async (url: string) => {
    const headers = 'host: here\r\nx-idempotency-key: one\r\ncontent-length: 0\r\nconnection: close'
    const answer = await sendRaw(server, `POST ${url} HTTP/1.1\r\n${headers}\r\n\r\n`)
    return /[\da-f]{8}-[\da-f-]{27}$/.exec(answer)?.[0]
  }
  const id = await idAt('/v1/things')
  expect(id).toBeDefined()
  for (const url of ['/v1/things?x=1', '/v1/thing%73', '/%761/things', '/v1/things#x'])
    expect({ url, id: await idAt(url) }).toEqual({ url, id })
  await app.close()
})
