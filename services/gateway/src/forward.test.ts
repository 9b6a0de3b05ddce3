import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { openGateway, type Received, type Service, startIssuer, startService } from './testing.ts'

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
  await gateway?.stop()
  await issuer.close()
  await service.close()
})

beforeEach(() => {
  service.received.length = 0
})

const call = (path: string, init: RequestInit = {}) => fetch(`${gateway.url}${path}`, init)
const last = (): Received | undefined => service.received.at(-1)

describe('what a service is sent', () => {
  test('method, path and query as they came', async () => {
    const answer = await call('/v1/reservations?status=held%2Cpending&limit=%31&x', {
      headers: { authorization: alice },
    })
    expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 200, body: { from: 'service' } })
    expect(last()).toMatchObject({ method: 'GET', url: '/v1/reservations?status=held%2Cpending&limit=%31&x' })
  })
})
