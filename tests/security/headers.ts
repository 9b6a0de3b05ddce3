import { allRoutes } from '@holdfast/contracts/routes/all'
import { sendRaw } from '@holdfast/testing/raw-http'
import { describe, expect, test } from '@jest/globals'
import { aUser } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { urlOf } from './surroundings.ts'

/** What an answer tells of us, and what a browser may make of it: by the gateway, whichever answer it is. */
export function headers(stack: TestStack): void {
  const paths = ['/v1/reservations', '/v1/nothing', '/health/live', '/v1/reservations/%zz', '/v1/reservations?limit=x']

  test.each(paths)(
    'nothing says what we are made of, and nothing may be framed, sniffed or shared: %s',
    async (path) => {
      for (const as of [undefined, aUser()]) {
        const asked = { as, headers: { origin: 'https://evil.example' } }
        const { headers: seen } = await stack.api.send('GET', path, asked)
        for (const name of ['server', 'x-powered-by', 'via', 'x-aspnet-version', 'set-cookie', 'etag'])
          expect([name, seen.get(name)]).toEqual([name, null])
        expect([...seen.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
        expect(seen.get('x-content-type-options')).toBe('nosniff')
        if (path.includes('%zz')) continue
        expect(Object.fromEntries(seen)).toMatchObject({
          'content-security-policy': "default-src 'none';frame-ancestors 'none'",
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
          'strict-transport-security': expect.stringMatching(/^max-age=\d{7,}/),
          'referrer-policy': 'no-referrer',
        })
      }
    },
  )

  test('a browser of nobody we know is not let in, whatever it asks for', async () => {
    for (const { method, url } of allRoutes) {
      const path = url.replaceAll(/:\w+/g, '00000000-0000-4000-8000-000000000000')
      const preflight = { origin: 'https://evil.example', 'access-control-request-method': method }
      const answer = await stack.api.send('OPTIONS', path, { headers: preflight })
      expect({ path, status: answer.status }).toEqual({ path, status: 404 })
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  describe('of the inside, the public door shows nothing', () => {
    test.each(['/metrics', '/health', '/_emulator/requests', '/_issuer/token', '/debug', '/.env', '/server-status'])(
      '%s',
      async (path) => {
        for (const method of ['GET', 'POST']) {
          const answer = await stack.api.send(method, path, { as: aUser() })
          expect(answer).toMatchObject({ status: 404, body: { error: 'NOT_FOUND' } })
        }
      },
    )

    test.each(['TRACE', 'CONNECT', 'PROPFIND', 'PURGE', 'LOCK'])('nor anything to the method %s', async (method) => {
      const lines = [
        `${method} /v1/reservations HTTP/1.1`,
        'Host: x',
        'X-Secret: mirrored',
        'Connection: close',
        '',
        '',
      ]
      const answer = await sendRaw(urlOf(stack, 'gateway'), lines.join('\r\n'))
      expect(answer).not.toContain('mirrored')
      expect(answer).toMatch(/^(HTTP\/1\.1 40[045] |$)/)
    })
  })
}
