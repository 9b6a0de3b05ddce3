import { allRoutes } from '@holdfast/contracts/routes/all'
import { eventually } from '@holdfast/testing/facts'
import { sendRaw } from '@holdfast/testing/raw-http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { closeOpened, openGateway, type Received, type Service, startIssuer, startService } from './testing.ts'

let service: Service
let issuer: Awaited<ReturnType<typeof startIssuer>>
let gateway: Awaited<ReturnType<typeof openGateway>>
let alice: string
let operator: string

beforeAll(async () => {
  service = await startService()
  issuer = await startIssuer()
  gateway = await openGateway(service.url, { COGNITO_JWKS_ORIGIN: issuer.url })
  alice = await issuer.bearerOf('alice')
  operator = await issuer.bearerOf('operator', ['operators'])
})

afterAll(async () => {
  await closeOpened()
  await issuer.close()
})

beforeEach(() => {
  service.received.length = 0
})

const call = (path: string, init: RequestInit = {}) => fetch(`${gateway.url}${path}`, init)
const asAlice = (path: string, init: RequestInit = {}) =>
  call(path, { ...init, headers: { authorization: alice, ...(init.headers as Record<string, string>) } })
const json = { 'content-type': 'application/json' }
const last = (): Received | undefined => service.received.at(-1)
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('what a service is sent', () => {
  test('every route of the contract reaches it, with its method and path', async () => {
    for (const { method, url } of allRoutes) {
      const path = url.replace(':id', 'a%2Fb')
      const answer = await call(path, { method, headers: { authorization: operator } })
      expect({ method, path, status: answer.status }).toEqual({ method, path, status: 200 })
      expect(last()).toMatchObject({ method, url: path })
    }
  })

  test('the query as it came', async () => {
    await asAlice('/v1/reservations?status=held%2Cpending&limit=%31&x&&y==')
    expect(last()?.url).toBe('/v1/reservations?status=held%2Cpending&limit=%31&x&&y==')
  })

  test('the body, byte for byte: a webhook is signed over its bytes', async () => {
    const body = Buffer.concat([
      Buffer.from(' {\r\n\t"a" :1.0, "é":"\\u00e9 😀"}\n\n'),
      Buffer.from([0xff, 0xfe, 0x00]),
    ])
    const headers = { ...json, 'stripe-signature': 't=1,v1=abc' }
    expect((await call('/v1/webhooks/stripe', { method: 'POST', headers, body })).status).toBe(200)
    expect(last()?.body.equals(body)).toBe(true)
    expect(last()?.headers).toMatchObject(headers)
  })

  test('JSON that is none: the service says what is wrong with it', async () => {
    await asAlice('/v1/reservations/hold', { method: 'POST', headers: json, body: '{"broken' })
    expect(last()?.body.toString()).toBe('{"broken')
  })

  test('a request id, a trace and an origin that the client cannot forge', async () => {
    const forged = {
      'x-request-id': 'mine',
      'x-forwarded-for': '8.8.8.8',
      'x-forwarded-host': 'evil.example',
      forwarded: 'for=8.8.8.8',
      'x-real-ip': '8.8.8.8',
      'x-user-id': 'operator',
      'x-amzn-oidc-identity': 'operator',
    }
    const answer = await asAlice('/v1/reservations', { headers: forged })
    const headers = last()?.headers ?? {}
    expect(headers['x-request-id']).toMatch(uuid)
    expect(answer.headers.get('x-request-id')).toBe(headers['x-request-id'])
    expect(headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': gateway.host })
    expect(headers).toMatchObject({ 'x-forwarded-proto': 'http', host: new URL(service.url).host })
    for (const name of ['forwarded', 'x-real-ip', 'x-user-id', 'x-amzn-oidc-identity'])
      expect(headers).not.toHaveProperty(name)
  })

  test('a valid trace goes on as a child, an invalid one is replaced', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
    await asAlice('/v1/reservations', { headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } })
    expect(last()?.headers.traceparent).toMatch(new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`))
    await asAlice('/v1/reservations', { headers: { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` } })
    expect(last()?.headers.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  })

  test('a target in absolute form loses its host; hop-by-hop headers stay here', async () => {
    const lines = [
      'GET http://elsewhere.example/v1/reservations?limit=1 HTTP/1.1',
      'Host: elsewhere.example',
      `Authorization: ${alice}`,
      'TE: trailers',
      'X-Idempotency-Key: k',
      'Connection: close, X-Idempotency-Key',
    ]
    expect(await sendRaw(gateway.url, `${lines.join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(last()?.url).toBe('/v1/reservations?limit=1')
    expect(last()?.headers).not.toHaveProperty('te')
    expect(last()?.headers).not.toHaveProperty('x-idempotency-key')
  })
})

describe('what a client is answered', () => {
  test('status, headers and body of the service, hop-by-hop ones excepted', async () => {
    const odd = await startService((_request, response) => {
      response.writeHead(422, {
        'content-type': 'application/json',
        'idempotent-replayed': 'true',
        'x-private': 'x',
        connection: 'keep-alive, x-private',
        'ratelimit-limit': '1',
      })
      response.end('{"error":"IDEMPOTENCY_KEY_REUSED"}')
    })
    const door = await openGateway(odd.url, { COGNITO_JWKS_ORIGIN: issuer.url })
    const answer = await fetch(`${door.url}/v1/reservations`, { headers: { authorization: alice } })
    expect(answer.status).toBe(422)
    expect(await answer.text()).toBe('{"error":"IDEMPOTENCY_KEY_REUSED"}')
    expect(answer.headers.get('idempotent-replayed')).toBe('true')
    expect(answer.headers.get('ratelimit-limit')).toBe('300')
    expect(answer.headers.has('x-private')).toBe(false)
  })

  test('HEAD is answered like GET, without the body', async () => {
    const answer = await asAlice('/v1/reservations', { method: 'HEAD' })
    expect({ status: answer.status, body: await answer.text() }).toEqual({ status: 200, body: '' })
    expect(last()?.method).toBe('HEAD')
  })

  test.each([
    ['GET', '/v1/nothing'],
    ['PUT', '/v1/reservations'],
    ['OPTIONS', '/v1/reservations'],
    ['GET', '/metrics'],
    ['GET', '/'],
  ])('%s %s: there is nothing', async (method, path) => {
    const answer = await asAlice(path, { method })
    expect(answer.status).toBe(404)
    expect(await answer.json()).toEqual({
      error: 'NOT_FOUND',
      message: 'There is nothing at this path',
      requestId: answer.headers.get('x-request-id'),
    })
  })

  test('strict headers of security on every answer, errors too', async () => {
    for (const path of ['/v1/reservations', '/v1/nothing', '/health/live']) {
      const { headers } = await asAlice(path)
      expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'")
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-request-id')).toMatch(uuid)
    }
  })
})

describe('sizes and types', () => {
  const hold = (init: RequestInit) => asAlice('/v1/reservations/hold', { method: 'POST', ...init })
  const limit = 64 * 1024

  test('a body of exactly 64 KiB passes, one byte more does not', async () => {
    expect((await hold({ headers: json, body: 'x'.repeat(limit) })).status).toBe(200)
    const answer = await hold({ headers: json, body: 'x'.repeat(limit + 1) })
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 413,
      body: { error: 'PAYLOAD_TOO_LARGE' },
    })
    expect(service.received).toHaveLength(1)
  })

  test('nor does one that does not say its length', async () => {
    const start = `POST /v1/reservations/hold HTTP/1.1\r\nHost: x\r\nAuthorization: ${alice}\r\n`
    const chunk = `${limit.toString(16)}\r\n${'x'.repeat(limit)}\r\n`
    const rest = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
    const answer = await sendRaw(gateway.url, `${start}${rest}${chunk}1\r\nx\r\n0\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('"error":"PAYLOAD_TOO_LARGE"')
    expect(service.received).toHaveLength(0)
  })

  test('a webhook may be larger', async () => {
    const body = 'x'.repeat(512 * 1024)
    expect((await call('/v1/webhooks/stripe', { method: 'POST', headers: json, body })).status).toBe(200)
    expect(last()?.body).toHaveLength(body.length)
  })

  test.each([
    ['text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['compressed JSON', { ...json, 'content-encoding': 'gzip' }],
  ])('%s is not JSON', async (_, headers) => {
    const answer = await hold({ headers, body: '{}' })
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 415,
      body: { error: 'UNSUPPORTED_MEDIA_TYPE' },
    })
    expect(service.received).toHaveLength(0)
  })

  test.each(['application/json', 'text/plain', undefined])(
    'a DELETE with content type %s and no body passes',
    async (type) => {
      const headers = type ? { 'content-type': type } : undefined
      const answer = await asAlice('/v1/payments/methods/x', { method: 'DELETE', ...(headers && { headers }) })
      expect(answer.status).toBe(200)
      expect(last()?.headers).not.toHaveProperty('content-type')
      expect(last()?.body).toHaveLength(0)
    },
  )
})

describe('what is no HTTP, or could be read in two ways', () => {
  const start = 'POST /v1/webhooks/stripe HTTP/1.1\r\nHost: x\r\n'

  test.each([
    ['both a length and chunks', `${start}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['two lengths', `${start}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    ['chunks that are not the last encoding', `${start}Transfer-Encoding: chunked, gzip\r\n\r\n`, 400],
    ['a space before the colon', `${start}Content-Length : 3\r\n\r\nabc`, 400],
    ['a folded header', `${start}X-A: b\r\n c\r\n\r\n`, 400],
    ['not HTTP', 'hello\r\n\r\n', 400],
    ['headers of 20 KB', `${start}X-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s', async (_, bytes, status) => {
    const answer = await sendRaw(gateway.url, bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/\r\nx-request-id: [\w-]{36}\r\n/)
    expect(answer).toMatch(/\r\nratelimit-remaining: \d+\r\n/)
    expect(answer).toContain('{"error":"VALIDATION_ERROR"')
    expect(service.received).toHaveLength(0)
  })

  test('a path that cannot be decoded, and one with an endless parameter', async () => {
    const bad = await asAlice('/v1/reservations/%zz')
    expect({ status: bad.status, body: await bad.json() }).toMatchObject({
      status: 400,
      body: { error: 'VALIDATION_ERROR' },
    })
    const long = await asAlice(`/v1/reservations/${'a'.repeat(400)}`)
    expect({ status: long.status, body: await long.json() }).toMatchObject({
      status: 404,
      body: { error: 'NOT_FOUND' },
    })
    expect(bad.headers.has('ratelimit-remaining')).toBe(true)
  })
})

test('a line for each request, and the caller’s token in none', async () => {
  const answer = await asAlice('/v1/reservations?secret=1')
  const requestId = answer.headers.get('x-request-id')
  // It is written when the answer is out, which its client may see first.
  const lines = await eventually('the line is written', async () => {
    const written = gateway.log.filter((line) => line.includes(String(requestId)))
    return written.length > 0 && written
  })
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      requestId,
      method: 'GET',
      route: '/v1/reservations',
      status: 200,
      ms: expect.any(Number),
    }),
  ])
  expect(gateway.log.join('')).not.toContain(alice.slice(-40))
})
