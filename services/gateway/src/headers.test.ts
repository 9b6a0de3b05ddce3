import { describe, expect, test } from '@jest/globals'
import { pathOf, requestHeaders, responseHeaders } from './headers.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const passage = {
  requestId: 'our-id',
  traceparent: `00-${trace}-1111111111111111-01`,
  address: '203.0.113.7',
  protocol: 'https',
  host: 'api.example',
}
const ours = {
  traceparent: passage.traceparent,
  'x-request-id': 'our-id',
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'api.example',
}

describe('towards a service', () => {
  test('what a client may say passes as it came', () => {
    const said = {
      authorization: 'Bearer a.b.c',
      'content-type': 'application/json; charset=utf-8',
      accept: '*/*',
      'user-agent': 'curl/8',
      'x-idempotency-key': 'k 1',
      'idempotency-key': 'k2',
      'stripe-signature': 't=1,v1=ab',
    }
    expect(requestHeaders(said, passage)).toEqual({ ...said, ...ours })
  })

  test.each([
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'forwarded',
    'x-real-ip',
    'x-request-id',
    'x-user-id',
    'x-amzn-oidc-identity',
    'x-internal-call',
    'cookie',
    'expect',
    'te',
    'upgrade',
    'proxy-authorization',
    'x-http-method-override',
  ])('%s from outside never arrives', (name) => {
    expect(requestHeaders({ [name]: 'forged' }, passage)).toEqual(ours)
  })

  test('what Connection names stays here, but it cannot take away what the gateway says', () => {
    const given = { connection: 'close, Stripe-Signature , x-request-id,x-forwarded-for', 'stripe-signature': 't=1' }
    expect(requestHeaders(given, passage)).toEqual(ours)
  })

  test('tracestate travels only with the trace it belongs to', () => {
    const same = { traceparent: `00-${trace}-2222222222222222-01`, tracestate: 'vendor=1' }
    expect(requestHeaders(same, passage)).toEqual({ ...ours, tracestate: 'vendor=1' })
    expect(requestHeaders({ ...same, traceparent: 'not one' }, passage)).toEqual(ours)
    expect(requestHeaders({ tracestate: 'vendor=1' }, passage)).toEqual(ours)
  })
})

describe('back to the client', () => {
  test('what a service says passes, several values included', () => {
    const said = {
      'content-type': 'application/json',
      'retry-after': '1',
      'idempotent-replayed': 'true',
      via: ['a', 'b'],
    }
    expect(responseHeaders(said)).toEqual(said)
  })

  test('what is between two neighbours, and what the gateway says itself, does not', () => {
    const said = {
      connection: 'keep-alive, x-private',
      'x-private': '1',
      'keep-alive': 'timeout=72',
      'transfer-encoding': 'chunked',
      trailer: 'x',
      upgrade: 'h2c',
      date: 'now',
      'x-request-id': 'theirs',
      'ratelimit-limit': '1',
      'access-control-allow-origin': '*',
    }
    expect(responseHeaders(said)).toEqual({})
  })
})

test.each([
  ['/v1/x?a=%20b&c', '/v1/x?a=%20b&c'],
  ['//v1', '//v1'],
  ['http://elsewhere.example/v1/x?a', '/v1/x?a'],
  ['HTTP://elsewhere.example?a', '/?a'],
  ['https://elsewhere.example/v1#f', '/v1'],
])('of the target %s a service is sent %s', (target, path) => {
  expect(pathOf(target)).toBe(path)
})
