import { allRoutes } from '@holdfast/contracts/routes/all'
import { describe, expect, test } from '@jest/globals'
import { expectError } from '../support/errors.ts'
import { aUser } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'

/** What is open to everybody, and what is not. */
export function doors(stack: TestStack): void {
  const { send } = { send: (...args: Parameters<TestStack['api']['send']>) => stack.api.send(...args) }

  describe('health', () => {
    test('the gateway lives, and says whether its upstreams are ready', async () => {
      const live = await send('GET', '/health/live')
      expect({ status: live.status, body: live.body }).toEqual({ status: 200, body: { status: 'ok' } })
      const ready = await send('GET', '/health/ready')
      expect(ready).toMatchObject({
        status: 200,
        body: { status: 'ok', checks: { inventory: 'ok', reservation: 'ok', payment: 'ok' } },
      })
    })

    test('every service has its own, and its metrics on its own port', async () => {
      const services = stack.running.stack.processes.filter(({ name }) =>
        ['inventory', 'reservation', 'payment', 'timeout'].includes(name),
      )
      expect(services).toHaveLength(4)
      for (const { url } of services) {
        for (const path of ['/health/live', '/health/ready']) {
          const response = await fetch(new URL(path, url))
          expect({ status: response.status, body: await response.json() }).toMatchObject({
            status: 200,
            body: { status: 'ok' },
          })
        }
        const metrics = await fetch(new URL('/metrics', url))
        expect(metrics.status).toBe(200)
        expect(await metrics.text()).toContain('# TYPE process_cpu')
      }
    })

    test("the gateway's metrics are not on its public port", async () => {
      expectError(await send('GET', '/metrics'), 'NOT_FOUND')
      expectError(await send('GET', '/metrics', { as: aUser() }), 'NOT_FOUND')
    })
  })

  describe('the documentation', () => {
    test('is generated from the contract: each route with its answers', async () => {
      const { status, body } = await send('GET', '/openapi.json')
      expect(status).toBe(200)
      const document = body as { openapi: string; paths: Record<string, Record<string, Operation>> }
      expect(document.openapi).toMatch(/^3\./)
      for (const route of allRoutes) {
        const operation = document.paths[route.url.replace(/:(\w+)/g, '{$1}')]?.[route.method.toLowerCase()]
        expect(Object.keys(operation?.responses ?? {})).toEqual(expect.arrayContaining([String(route.status ?? 200)]))
        expect(operation?.summary).toBe(route.summary)
        if (route.auth === 'none') expect(operation?.security ?? []).toEqual([])
        else expect(Object.keys(operation?.responses ?? {})).toContain('401')
      }
    })

    test('is a page as well', async () => {
      const { status, headers, body } = await send('GET', '/docs')
      const page = status === 200 ? { headers, body } : await send('GET', '/docs/')
      expect(page.headers.get('content-type')).toMatch(/^text\/html/)
      expect(page.body).toContain('openapi.json')
    })
  })

  describe('every answer', () => {
    test('has an id of its own, and a request cannot choose it', async () => {
      const headers = { 'x-request-id': 'mine' }
      const ids = await Promise.all(
        [1, 2].map(async () => (await send('GET', '/health/live', { headers })).headers.get('x-request-id')),
      )
      expect(new Set([...ids, 'mine']).size).toBe(3)
    })

    test.each(['/v1/experiences', '/v1/reservations', '/v1/payments/methods', '/nothing'])(
      'shows the limits, and is nothing that a browser would run or keep: %s',
      async (path) => {
        const { headers } = await send('GET', path, { as: aUser() })
        expect(Object.fromEntries(headers)).toMatchObject({
          'content-type': 'application/json; charset=utf-8',
          'x-content-type-options': 'nosniff',
          'ratelimit-limit': expect.stringMatching(/^\d+$/),
          'ratelimit-remaining': expect.stringMatching(/^\d+$/),
          'ratelimit-reset': expect.stringMatching(/^\d+$/),
        })
        expect(headers.get('x-powered-by')).toBeNull()
      },
    )
  })
}

interface Operation {
  readonly summary: string
  readonly responses: Record<string, unknown>
  readonly security?: unknown[]
}
