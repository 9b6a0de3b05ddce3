import type { ServerResponse } from 'node:http'
import { confirmReservation } from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { closeOpened, ok, openGateway, startIssuer, startService } from './testing.ts'

let issuer: Awaited<ReturnType<typeof startIssuer>>
let gateway: Awaited<ReturnType<typeof openGateway>>
let alice: string

beforeAll(async () => {
  issuer = await startIssuer()
  alice = await issuer.bearerOf('alice')
})

afterAll(() => issuer.close())

afterEach(closeOpened)

const open = async (urls: string, environment: Record<string, string> = {}) => {
  gateway = await openGateway(urls, { COGNITO_JWKS_ORIGIN: issuer.url, ...environment })
}

/** A port where nobody listens. */
async function nobody(): Promise<string> {
  const service = await startService()
  await service.close()
  return service.url
}

const get = (path = '/v1/reservations', init: RequestInit = {}) =>
  fetch(`${gateway.url}${path}`, { ...init, headers: { authorization: alice, ...(init.headers as object) } })
const post = (headers: Record<string, string> = {}, init: RequestInit = {}, path = '/v1/reservations/hold') =>
  get(path, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json', ...headers },
    ...init,
  })
const unavailable = { error: 'SERVICE_UNAVAILABLE', message: expect.any(String), requestId: expect.any(String) }

async function breakerState(upstream: string): Promise<number> {
  const text = await (await fetch(`${gateway.metricsUrl}/metrics`)).text()
  return Number(new RegExp(`^holdfast_gateway_breaker_state\\{upstream="${upstream}"\\} (\\d)$`, 'm').exec(text)?.[1])
}

/** Keeps the answers back until the test gives them. */
function kept() {
  const answers: ServerResponse[] = []
  return { answers, keep: (_request: unknown, response: ServerResponse) => void answers.push(response) }
}

describe('a service that is away', () => {
  test('is a 503 that says when to come back', async () => {
    await open(await nobody())
    const answer = await get()
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.headers.has('ratelimit-remaining')).toBe(true)
    expect(await answer.json()).toEqual(unavailable)
  })

  test('or that hangs is a 503 within five seconds', async () => {
    await open((await startService(() => {})).url)
    const startedAt = Date.now()
    const answer = await get()
    expect(Date.now() - startedAt).toBeLessThan(5_000)
    expect({ status: answer.status, retryAfter: answer.headers.get('retry-after') }).toEqual({
      status: 503,
      retryAfter: '1',
    })
    expect(await answer.json()).toEqual(unavailable)
  })

  test('waiting for a connection is part of that time', async () => {
    await open((await startService(() => {})).url, { UPSTREAM_TIMEOUT_MS: '2000' })
    const answers = await Promise.all(Array.from({ length: 100 }, () => get()))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]))
    // A line is written when the answer is out, which its client may see first.
    const lines = await eventually('each has its line', async () => {
      const written = gateway.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
      return written.length === 100 && written
    })
    // After the first 64, the rest would take four seconds with a time of their own.
    expect(Math.max(...lines.map(({ ms }) => ms))).toBeLessThan(3_900)
  })

  test('opens its breaker, which answers at once and lets through again when the service is back', async () => {
    const url = await nobody()
    await open(url)
    await eventually('the breaker is open', async () => {
      await get()
      return (await breakerState('reservation')) === 2
    })
    const answer = await get()
    expect({ status: answer.status, retryAfter: answer.headers.get('retry-after') }).toEqual({
      status: 503,
      retryAfter: '2',
    })
    expect(await breakerState('payment')).toBe(0)

    const service = await startService(ok, Number(new URL(url).port))
    await eventually('a request passes', async () => (await get()).status === 200, 5_000)
    expect(await breakerState('reservation')).toBe(0)
    expect(service.received.length).toBeGreaterThan(0)
  })

  test('but answers 503 itself is passed on as it says, and stays connected', async () => {
    const service = await startService(({ headers }, response) => {
      response.writeHead(503, {
        'x-request-id': headers['x-request-id'],
        'retry-after': '7',
        'content-type': 'application/json',
      })
      response.end('{"error":"SERVICE_UNAVAILABLE","message":"the database"}')
    })
    await open(service.url)
    for (let times = 0; times < 30; times += 1) {
      const answer = await get()
      expect({ status: answer.status, retryAfter: answer.headers.get('retry-after') }).toEqual({
        status: 503,
        retryAfter: '7',
      })
      expect(await answer.json()).toEqual({ error: 'SERVICE_UNAVAILABLE', message: 'the database' })
    }
    expect(service.received).toHaveLength(30)
    expect(await breakerState('reservation')).toBe(0)
  })

  test('and for whom something in between answers 502 is a 503 of ours', async () => {
    await open((await startService((_request, response) => response.writeHead(502).end('<h1>Bad Gateway</h1>'))).url)
    const answer = await get()
    expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 503, body: unavailable })
  })
})

describe('several instances', () => {
  test('take turns', async () => {
    const [one, two] = [await startService(), await startService()]
    await open(`${one.url},${two.url}`)
    for (let times = 0; times < 10; times += 1) await get()
    expect([one.received.length, two.received.length]).toEqual([5, 5])
  })

  test('with all but one dead: no client notices', async () => {
    const alive = await startService()
    await open([await nobody(), alive.url, await nobody()].join(','))
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => (await (index % 2 ? get() : post())).status),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(alive.received).toHaveLength(40)
  })

  test('one that dies over a request: what may be repeated is, by another', async () => {
    const dying = await startService((_request, response) => void response.socket?.destroy())
    const alive = await startService()
    await open(`${dying.url},${alive.url}`)
    const statuses: number[] = []
    for (let times = 0; times < 4; times += 1) statuses.push((await post({ 'x-idempotency-key': `k${times}` })).status)
    expect(statuses).toEqual([200, 200, 200, 200])
    expect(dying.received.length).toBeGreaterThan(0)
  })

  test('one that dies over what the contract calls repeatable: the same, without a key', async () => {
    const dying = await startService((_request, response) => void response.socket?.destroy())
    const alive = await startService()
    await open(`${dying.url},${alive.url}`)
    const statuses: number[] = []
    for (let times = 0; times < 4; times += 1) statuses.push((await post({}, {}, confirmReservation.url)).status)
    expect(statuses).toEqual([200, 200, 200, 200])
    expect(dying.received.length).toBeGreaterThan(0)
  })

  test('one that dies over a request that must not be repeated: a 503, and it was sent once', async () => {
    const dying = await startService((_request, response) => void response.socket?.destroy())
    await open(`${dying.url},${dying.url}`)
    const answer = await post()
    expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 503, body: unavailable })
    expect(dying.received).toHaveLength(1)
  })
})

describe('an answer that breaks off', () => {
  const half = (headers: Record<string, string>) =>
    startService((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', ...headers })
      response.write('{"half":', () => response.socket?.destroy())
    })

  test('is none: another instance is asked what may be asked again', async () => {
    const [torn, well] = [await half({ 'content-length': '100' }), await startService()]
    await open(`${torn.url},${well.url}`)
    for (let times = 0; times < 4; times += 1) expect(await (await get()).json()).toEqual({ from: 'service' })
    expect(torn.received.length).toBeGreaterThan(0)
  })

  test('or a 503', async () => {
    await open((await half({ 'content-length': '100' })).url)
    const answer = await get()
    expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 503, body: unavailable })
  })

  test('and a long one is torn for the client as well, not shorter', async () => {
    await open((await half({ 'content-length': '1000000' })).url)
    await expect(get().then((answer) => answer.text())).rejects.toThrow()
  })

  test('headers that come and a body that does not: a 503 in time', async () => {
    const stalling = await startService((_request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{')
    })
    await open(stalling.url, { UPSTREAM_TIMEOUT_MS: '300' })
    expect((await get()).status).toBe(503)
  })
})

test('a client that goes away cancels nothing: what it asked for is done', async () => {
  const { answers, keep } = kept()
  const service = await startService(keep)
  await open(service.url)
  const gone = new AbortController()
  const asked = post({ 'x-idempotency-key': 'k' }, { signal: gone.signal })
  await eventually('the service has it', async () => answers.length === 1)
  gone.abort()
  await expect(asked).rejects.toThrow()
  await eventually('the gateway has noticed', async () =>
    gateway.log.some((line) => line.includes('"route":"/v1/reservations/hold","status":499')),
  )
  expect(answers[0]?.socket?.destroyed).toBe(false)
  answers[0]?.end('{}')
})

test('stopping: the request in flight is answered, new connections are refused', async () => {
  const { answers, keep } = kept()
  await open((await startService(keep)).url)
  const asked = get()
  await eventually('the service has it', async () => answers.length === 1)
  const stopped = gateway.stop()
  await eventually('nobody listens', async () =>
    fetch(`${gateway.url}/health/live`).then(
      () => false,
      () => true,
    ),
  )
  answers[0]?.setHeader('content-type', 'application/json').end('{"done":true}')
  const answer = await asked
  expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 200, body: { done: true } })
  expect(answer.headers.get('connection')).toBe('close')
  await stopped
})

describe('health', () => {
  const ready = async () => {
    const answer = await fetch(`${gateway.url}/health/ready`)
    return { status: answer.status, body: await answer.json() }
  }
  const checks = { running: 'ok', identity: 'ok', inventory: 'ok', reservation: 'ok', payment: 'ok' }

  test('ready says which service is not', async () => {
    const well = (await startService()).url
    const sick = (await startService((_request, response) => response.writeHead(503).end())).url
    await open(well, { PAYMENT_URLS: sick, INVENTORY_URLS: `${await nobody()},${well}` })
    expect(await ready()).toEqual({
      status: 503,
      body: { status: 'unavailable', checks: { ...checks, payment: 'unavailable' } },
    })
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200)
  })

  test('ready when all are', async () => {
    await open((await startService()).url)
    expect(await ready()).toEqual({ status: 200, body: { status: 'ok', checks } })
  })
})
