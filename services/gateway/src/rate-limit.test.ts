import { sendRaw } from '@holdfast/testing/raw-http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { closeOpened, openGateway, type Service, startIssuer, startService } from './testing.ts'

let service: Service
let issuer: Awaited<ReturnType<typeof startIssuer>>
let gateway: Awaited<ReturnType<typeof openGateway>>
let alice: string
let bob: string

beforeAll(async () => {
  issuer = await startIssuer()
  alice = await issuer.bearerOf('alice')
  bob = await issuer.bearerOf('bob')
})

afterAll(() => issuer.close())

beforeEach(async () => {
  service = await startService()
})

afterEach(closeOpened)

const open = async (environment: Record<string, string>) => {
  gateway = await openGateway(service.url, { COGNITO_JWKS_ORIGIN: issuer.url, ...environment })
}

interface Seen {
  status: number
  limit: string | null
  remaining: string | null
}

async function get(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Seen & { answer: Response }> {
  const answer = await fetch(`${gateway.url}${path}`, { method, headers })
  const { status } = answer
  return {
    status,
    limit: answer.headers.get('ratelimit-limit'),
    remaining: answer.headers.get('ratelimit-remaining'),
    answer,
  }
}

test('a user who asks too often is told how long to wait, wherever the requests come from; another user is not', async () => {
  await open({ RATE_LIMIT_PER_USER: '2' })
  const ask = (authorization: string) => get('/v1/reservations', { authorization })
  expect(await ask(alice)).toMatchObject({ status: 200, limit: '2', remaining: '1' })
  expect(await ask(alice)).toMatchObject({ status: 200, limit: '2', remaining: '0' })
  service.received.length = 0
  const third = await ask(alice)
  expect(third).toMatchObject({ status: 429, limit: '2', remaining: '0' })
  expect(await third.answer.json()).toMatchObject({ error: 'RATE_LIMITED', message: expect.any(String) })
  const wait = Number(third.answer.headers.get('retry-after'))
  expect(wait).toBeGreaterThan(50)
  expect(wait).toBeLessThanOrEqual(60)
  expect(service.received).toHaveLength(0)
  expect(await ask(bob)).toMatchObject({ status: 200, remaining: '1' })
})

test('an address that asks too often is refused before its tokens are looked at', async () => {
  await open({ RATE_LIMIT_PER_ADDRESS: '3' })
  expect(await get('/v1/reservations')).toMatchObject({ status: 401, limit: '3', remaining: '2' })
  expect(await get('/v1/nothing')).toMatchObject({ status: 404, limit: '3', remaining: '1' })
  expect(await get('/v1/reservations', { authorization: alice })).toMatchObject({
    status: 200,
    limit: '3',
    remaining: '0',
  })
  expect(await get('/v1/reservations', { authorization: alice })).toMatchObject({ status: 429 })
  expect(await get('/v1/nothing')).toMatchObject({ status: 429 })
  expect(await sendRaw(gateway.url, 'hello\r\n\r\n')).toMatch(/ratelimit-remaining: 0\r\n/)
})

test('a probe of health does not count and is never refused', async () => {
  await open({ RATE_LIMIT_PER_ADDRESS: '1' })
  const probe = () => get('/health/live')
  expect([await probe(), await probe()]).toMatchObject([
    { status: 200, remaining: '1' },
    { status: 200, remaining: '1' },
  ])
  expect(await get('/v1/nothing')).toMatchObject({ status: 404, remaining: '0' })
  expect(await get('/v1/nothing')).toMatchObject({ status: 429 })
  const after = await probe()
  expect(after.status).toBe(200)
  expect(after.answer.headers.get('retry-after')).toBeNull()
})

test('Stripe, which calls for all guests, has a limit of its own', async () => {
  await open({ RATE_LIMIT_PER_ADDRESS: '1' })
  const event = () => get('/v1/webhooks/stripe', {}, 'POST')
  expect(await event()).toMatchObject({ status: 200, limit: '20', remaining: '19' })
  expect(await get('/v1/nothing')).toMatchObject({ status: 404, remaining: '0' })
  expect(await get('/v1/nothing')).toMatchObject({ status: 429 })
  for (let nth = 2; nth <= 20; nth += 1) expect(await event()).toMatchObject({ status: 200 })
  expect(await event()).toMatchObject({ status: 429 })
})

describe('whose address it is', () => {
  const from = (address: string) => get('/v1/nothing', { 'x-forwarded-for': address })

  test('without a proxy, nobody is limited as somebody else', async () => {
    await open({ RATE_LIMIT_PER_ADDRESS: '1' })
    await from('198.51.100.1')
    expect(await from('198.51.100.2')).toMatchObject({ status: 429 })
  })

  test('behind one proxy, the address that the proxy saw; what the client claims before that is nothing', async () => {
    await open({ RATE_LIMIT_PER_ADDRESS: '1', TRUST_PROXY: '1' })
    await from('198.51.100.1')
    expect(await from('198.51.100.2')).toMatchObject({ status: 404 })
    expect(await from('198.51.100.9, 198.51.100.1')).toMatchObject({ status: 429 })
  })

  test('behind known proxies, the first address that is none of theirs', async () => {
    await open({ RATE_LIMIT_PER_ADDRESS: '1', TRUST_PROXY: '127.0.0.1,10.0.0.0/8' })
    await from('198.51.100.1, 10.1.2.3')
    expect(await from('198.51.100.1, 10.9.9.9')).toMatchObject({ status: 429 })
    expect(await from('198.51.100.2, 10.1.2.3')).toMatchObject({ status: 404 })
    await get('/v1/reservations', {
      authorization: alice,
      'x-forwarded-for': '198.51.100.7',
      'x-forwarded-proto': 'https',
    })
    expect(service.received.at(-1)?.headers).toMatchObject({
      'x-forwarded-for': '198.51.100.7',
      'x-forwarded-proto': 'https',
    })
  })
})

describe('browsers', () => {
  const origin = 'https://shop.example'
  const preflight = { origin, 'access-control-request-method': 'POST' }

  test('nobody is let in by default', async () => {
    await open({})
    const { answer } = await get('/v1/reservations', { authorization: alice, origin })
    expect(answer.headers.has('access-control-allow-origin')).toBe(false)
    expect((await get('/v1/reservations/hold', preflight, 'OPTIONS')).status).toBe(404)
  })

  test('an origin of the setting may send what the API takes and read what it answers', async () => {
    await open({ CORS_ORIGINS: `https://other.example,${origin}` })
    const asked = await get('/v1/reservations/hold', preflight, 'OPTIONS')
    expect(asked).toMatchObject({ status: 204, limit: '1200' })
    expect(Object.fromEntries(asked.answer.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-headers': 'Authorization, Content-Type, X-Idempotency-Key, Idempotency-Key',
      'access-control-allow-methods': expect.stringContaining('DELETE'),
    })
    const { answer } = await get('/v1/reservations', { authorization: alice, origin })
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
    expect(answer.headers.get('access-control-expose-headers')).toContain('Idempotent-Replayed')
    const stranger = await get('/v1/reservations', { authorization: alice, origin: 'https://evil.example' })
    expect(stranger.answer.headers.has('access-control-allow-origin')).toBe(false)
  })

  test('a refusal can be read, too', async () => {
    await open({ CORS_ORIGINS: '*', RATE_LIMIT_PER_ADDRESS: '1' })
    await get('/v1/nothing')
    const { status, answer } = await get('/v1/nothing', { origin })
    expect({ status, allowed: answer.headers.get('access-control-allow-origin') }).toEqual({
      status: 429,
      allowed: '*',
    })
  })
})
