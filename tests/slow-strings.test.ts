import type { Route } from '@holdfast/contracts/route'
import { allRoutes } from '@holdfast/contracts/routes/all'
import { createHold } from '@holdfast/contracts/routes/reservations'
import { describe, expect, test } from '@jest/globals'
import { createVerifier } from '../libs/http/src/auth.ts'
import { idempotencyKeyOf } from '../libs/http/src/idempotency.ts'
import { canonicalJson, parseJson } from '../libs/http/src/json.ts'
import { childTraceparent } from '../libs/runtime/src/context.ts'
import { pathOf, requestHeaders, responseHeaders } from '../services/gateway/src/headers.ts'

/**
 * Strings that are made to be looked at for long: whoever judges one may take no more time over it than over a harmless one
 * of the same length, within the same run. A pattern that goes back over what it has read takes thousands of times as long
 * at these lengths, so neither a slow machine nor a busy one is mistaken for it.
 */
const mostTimes = 50
/** Less than this is too short to be compared. */
const leastMs = 0.2
const rounds = 5
/** Short ones first: what explodes is found before it takes forever. The last is as much as a header may be. */
const lengths = [24, 40, 128, 1_024, 16_000]

const repeat = (part: string) => (length: number) => part.repeat(Math.ceil(length / part.length)).slice(0, length)
/** By what they begin with, go on with, and end in. */
const shapes: [string, string, string][] = [
  ...[
    'a',
    '@',
    '.',
    '-',
    ' ',
    '\t',
    ',',
    ';',
    '%',
    '/',
    '=',
    '"',
    '\\',
    '0',
    '9',
    '\0',
    '\ud83d',
    '😀',
    'a\u0301',
    '\r\n',
  ].map((part): [string, string, string] => ['', part, '!']),
  ...['a@', 'a.', 'a-', '1,', 'aA', '-a', '..', '%41', '::', 'a=b;', '[]', '{}', "''", '+-'].map(
    (part): [string, string, string] => ['', part, '\n'],
  ),
  ...[' ', '\t', '0', 'a'].map((part): [string, string, string] => ['x', part, 'x ']),
  ['a@', 'a.', ''],
  ['a@', 'a-', '.'],
  ['a@', 'a', '.c!'],
  ['a', '.a', '@b.cc!'],
  ["a'+_", '-', '@b'],
  ['Bearer ', 'a', '.'],
  ['Bearer ', 'a.', ''],
  ['Bearer ', ' ', 'a.b.c'],
  ['Bearer a.', 'a', '.!'],
  ['00-', 'a', '-01'],
  ['00-', '0', '-01'],
  ['2099-01-01T00:00:00.', '0', 'x'],
  ['2099-01-01T00:00:00', '+00:00', ''],
  ['http://', '/', ' '],
  ['http://', 'a?', '#'],
  ['h', 't', '://'],
  ['held', ',held', ',x'],
  ['close', ', close', ' '],
  ['close,', ' ', 'x'],
]

type Judge = (value: string) => unknown

/** Every field of every route, so that a new one is looked at as well. */
function fields(): [string, Judge][] {
  const found = new Map<string, Judge>()
  for (const route of allRoutes)
    for (const part of ['params', 'query', 'body'] as const)
      for (const [name, schema] of Object.entries(shapeOf(route[part])))
        found.set(`${route.method} ${route.url} ${part}.${name}`, (value) => schema.safeParse(value))
  return [...found]
}

interface Field {
  safeParse(value: unknown): unknown
}
const shapeOf = (schema: Route['body']) => (schema as { shape?: Record<string, Field> } | undefined)?.shape ?? {}

const verifier = createVerifier({
  ...{ COGNITO_USER_POOL_ID: 'us-east-1_Slow00001', COGNITO_CLIENT_ID: 'slow' },
  COGNITO_JWKS_ORIGIN: 'http://127.0.0.1:1',
})
const passage = { requestId: 'r', traceparent: '', address: '', protocol: 'http', host: 'x' }
const caught =
  (judge: Judge): Judge =>
  (value) => {
    try {
      return judge(value)
    } catch {
      return undefined
    }
  }

const others: [string, Judge][] = [
  ['the token', (value) => void verifier.verify(value).catch(() => {})],
  ['the token after its scheme', (value) => void verifier.verify(`Bearer ${value}`).catch(() => {})],
  ['the trace', childTraceparent],
  ['the path', pathOf],
  [
    'the idempotency key',
    caught((value) => {
      const request = { headers: { 'x-idempotency-key': value }, url: `/${value}`, body: {} }
      return idempotencyKeyOf(request as unknown as Parameters<typeof idempotencyKeyOf>[0], createHold, 'u')
    }),
  ],
  [
    'the headers',
    (value) => requestHeaders({ connection: value, 'accept-language': value, tracestate: value }, passage),
  ],
  ["a service's headers", (value) => responseHeaders({ connection: value, [`x-${value.length}`]: value })],
  ['a body', caught(parseJson)],
  ['a text in a body', caught((value) => canonicalJson(parseJson(JSON.stringify({ [value]: value }))))],
  ['a list in a body', caught((value) => canonicalJson(parseJson(JSON.stringify([...value]))))],
  [
    'names in a body',
    caught((value) => canonicalJson(parseJson(JSON.stringify(Object.fromEntries([...value].entries()))))),
  ],
]

describe('is judged as fast as a harmless one', () => {
  test.each([...fields(), ...others])('%s', (_name, judge) => {
    for (const length of lengths) {
      const harmless = Math.max(leastMs, quickestMs(judge, repeat('harmless ')(length)))
      for (const [start, part, end] of shapes) {
        const value = start + repeat(part)(length - start.length - end.length) + end
        const times = quickestMs(judge, value, mostTimes * harmless) / harmless
        if (times > mostTimes)
          throw new Error(`${times.toFixed(0)} times as slow: ${JSON.stringify(value.slice(0, 40))}… of ${length}`)
      }
    }
  })
})

test('a pattern that goes back over what it has read would be noticed', () => {
  const endless = `${repeat(' ')(16_000)}x`
  expect(quickestMs((text) => /\s+$/.test(text), endless) / leastMs).toBeGreaterThan(mostTimes)
})

/** Of several tries, so that what else the machine had to do meanwhile does not count; the first that is quick enough will do. */
function quickestMs(judge: Judge, value: string, quickEnoughMs = leastMs): number {
  let quickest = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds && quickest > quickEnoughMs; round += 1) {
    const startedAt = performance.now()
    judge(value)
    quickest = Math.min(quickest, performance.now() - startedAt)
  }
  return quickest
}
