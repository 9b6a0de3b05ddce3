import { randomUUID } from 'node:crypto'
import { eventually } from '@holdfast/testing/facts'
import { sendRaw, statusesIn } from '@holdfast/testing/raw-http'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { aUser } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { requestsOn, urlOf } from './surroundings.ts'

/** Bytes that two parsers might read as one request and as two. Behind each stands a request that must never be one. */

const target = 'POST /v1/experiences HTTP/1.1'
const json = 'Content-Type: application/json'
const lines = (...each: string[]) => each.join('\r\n')
const post = (...headers: string[]) => lines(target, 'Host: x', json, ...headers, '', '')

/** What is refused, and the connection with it. `hidden` is the request behind it. */
const refused: [string, (hidden: string) => string][] = [
  [
    'a length and chunks',
    (hidden) => `${post(`Content-Length: ${5 + hidden.length}`, 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`,
  ],
  ['chunks and a length', (hidden) => `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}0\r\n\r\n${hidden}`],
  ['two lengths', (hidden) => `${post('Content-Length: 2', `Content-Length: ${hidden.length + 2}`)}{}${hidden}`],
  ['the same length twice', (hidden) => `${post('Content-Length: 2', 'Content-Length: 2')}{}${hidden}`],
  ['two lengths in one', (hidden) => `${post(`Content-Length: 2, ${hidden.length + 2}`)}{}${hidden}`],
  ['a length with a sign', (hidden) => `${post('Content-Length: +2')}{}${hidden}`],
  ['a length below nothing', (hidden) => `${post('Content-Length: -2')}{}${hidden}`],
  ['a length in another base', (hidden) => `${post('Content-Length: 0x2')}{}${hidden}`],
  ['a length beyond counting', (hidden) => `${post(`Content-Length: ${'9'.repeat(30)}`)}{}${hidden}`],
  ['a length with white space in it', (hidden) => `${post('Content-Length: 2 2')}{}${hidden}`],
  ['a space before the colon', (hidden) => `${post('Content-Length : 2')}{}${hidden}`],
  ['a space before the colon of chunks', (hidden) => `${post('Transfer-Encoding : chunked')}0\r\n\r\n${hidden}`],
  ['another coding', (hidden) => `${post('Transfer-Encoding: xchunked')}0\r\n\r\n${hidden}`],
  ['chunks, with a letter of control', (hidden) => `${post('Transfer-Encoding: \x0bchunked')}0\r\n\r\n${hidden}`],
  ['chunks and then another coding', (hidden) => `${post('Transfer-Encoding: chunked, identity')}0\r\n\r\n${hidden}`],
  [
    'another coding in a second header',
    (hidden) => `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n${hidden}`,
  ],
  ['a folded header', (hidden) => `${post('Transfer-Encoding:', ' chunked')}0\r\n\r\n${hidden}`],
  ['a folded value', (hidden) => `${post('X-A: b', ' Content-Length: 2')}{}${hidden}`],
  ['bare line feeds', (hidden) => `${post('Content-Length: 2').replaceAll('\r\n', '\n')}{}${hidden}`],
  ['a header that ends in a bare line feed', (hidden) => `${post('X-A: b\nContent-Length: 2')}{}${hidden}`],
  ['a bare carriage return', (hidden) => `${post('X-A: b\rContent-Length: 2')}{}${hidden}`],
  ['a NUL in a value', (hidden) => `${post('X-A: \0', 'Content-Length: 2')}{}${hidden}`],
  ['a NUL in a name', (hidden) => `${post('X\0A: b', 'Content-Length: 2')}{}${hidden}`],
  ['a NUL in the target', (hidden) => lines('GET /v1/experi\0ences HTTP/1.1', 'Host: x', '', hidden)],
  ['a header without a name', (hidden) => `${post(': b', 'Content-Length: 2')}{}${hidden}`],
  ['a header without a colon', (hidden) => `${post('Content-Length 2')}{}${hidden}`],
  [
    'a chunk beyond counting',
    (hidden) => `${post('Transfer-Encoding: chunked')}${'F'.repeat(17)}\r\n{}\r\n0\r\n\r\n${hidden}`,
  ],
  ['a chunk below nothing', (hidden) => `${post('Transfer-Encoding: chunked')}-2\r\n{}\r\n0\r\n\r\n${hidden}`],
  ['a chunk with a prefix', (hidden) => `${post('Transfer-Encoding: chunked')}0x2\r\n{}\r\n0\r\n\r\n${hidden}`],
  ['a chunk longer than it says', (hidden) => `${post('Transfer-Encoding: chunked')}2\r\n{}x\r\n0\r\n\r\n${hidden}`],
  [
    'a chunk extension that ends in a bare line feed',
    (hidden) => `${post('Transfer-Encoding: chunked')}2;\n{}\r\n0\r\n\r\n${hidden}`,
  ],
  [
    'an endless chunk extension',
    (hidden) => `${post('Transfer-Encoding: chunked')}2;a=${'b'.repeat(40_000)}\r\n{}\r\n0\r\n\r\n${hidden}`,
  ],
  ['a version that is none', (hidden) => lines('GET /v1/experiences HTTP/1.9', 'Host: x', '', hidden)],
  ['no version', (hidden) => `GET /v1/experiences\r\n${hidden}`],
  ['the preface of HTTP/2', (hidden) => lines('PRI * HTTP/2.0', '', 'SM', '', hidden)],
  [
    'white space before the first header',
    (hidden) => lines(target, ' Host: x', 'Content-Length: 2', '', `{}${hidden}`),
  ],
]

/** What is one request, and has everything behind it as its body. */
const swallowed: [string, (hidden: string) => string][] = [
  ['a GET with a body', (hidden) => get(`Content-Length: ${hidden.length}`) + hidden],
  [
    'a GET with a chunk',
    (hidden) => `${get('Transfer-Encoding: chunked')}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
  ],
  ['a HEAD with a body', (hidden) => get(`Content-Length: ${hidden.length}`).replace('GET', 'HEAD') + hidden],
  ['a body that is a request', (hidden) => post(`Content-Length: ${hidden.length}`, 'Connection: close') + hidden],
  [
    'a chunk with an extension',
    (hidden) =>
      `${post('Transfer-Encoding: chunked', 'Connection: close')}${hidden.length.toString(16)};a="b"\r\n${hidden}\r\n0\r\n\r\n`,
  ],
  [
    'a trailer that names a length',
    () => `${post('Transfer-Encoding: chunked', 'Connection: close')}2\r\n{}\r\n0\r\nContent-Length: 0\r\n\r\n`,
  ],
  ['an upgrade', (hidden) => get('Connection: upgrade', 'Upgrade: h2c', `Content-Length: ${hidden.length}`) + hidden],
]
const get = (...headers: string[]) =>
  lines('GET /v1/experiences HTTP/1.1', 'Host: x', 'Connection: close', ...headers, '', '')

export function smuggling(stack: TestStack): void {
  let hidden: string
  const hiddenRoute = '/v1/experiences/:id/time-slots'
  beforeAll(async () => {
    const path = `/v1/experiences/${randomUUID()}/time-slots`
    const authorization = `Authorization: Bearer ${await stack.token(aUser())}`
    hidden = lines(`GET ${path} HTTP/1.1`, 'Host: x', authorization, 'Connection: close', '', '')
  })
  const reached = () => requestsOn(stack, 'inventory', hiddenRoute)

  // At inventory itself, too: a proxy of somebody else's may one day stand before it.
  describe.each(['gateway', 'inventory'])('%s', (door) => {
    test('would answer the request behind, were it one', async () => {
      const before = await reached()
      expect(statusesIn(await sendRaw(urlOf(stack, door), hidden))).toEqual([404])
      // Counted when the answer is out, which its client may see first.
      await eventually('it is counted', async () => (await reached()) === before + 1)
    })

    test.each(refused)('refuses %s, and the connection with it', async (_what, bytes) => {
      const before = await reached()
      const answer = await sendRaw(urlOf(stack, door), bytes(hidden))
      // Where only the body is broken, its request may have been turned away already for want of a token.
      const statuses = statusesIn(answer)
      expect(statuses.filter((status) => ![400, 401, 413, 431].includes(status))).toEqual([])
      expect(statuses.filter((status) => status !== 401).length).toBeLessThanOrEqual(1)
      expect(await reached()).toBe(before)
    })

    test.each(swallowed)('takes %s for one request', async (_what, bytes) => {
      const before = await reached()
      const answer = await sendRaw(urlOf(stack, door), bytes(hidden))
      expect(statusesIn(answer)).toEqual([401])
      expect(await reached()).toBe(before)
    })
  })

  test('a target that names another host is answered by this one', async () => {
    const secret = urlOf(stack, 'payment')
    for (const absolute of [
      `${secret}/metrics`,
      'http://169.254.169.254/latest/meta-data',
      `//${new URL(secret).host}/metrics`,
    ]) {
      const answer = await sendRaw(urlOf(stack, 'gateway'), get().replace('/v1/experiences', absolute))
      expect(statusesIn(answer)).toEqual([404])
    }
  })

  test('a path cannot climb out of its route to another of the service behind', async () => {
    const token = await stack.token(aUser())
    for (const path of [
      '/v1/experiences/../../metrics',
      '/v1/experiences/%2e%2e/%2e%2e/metrics',
      '/v1/experiences/..%2f..%2fmetrics',
      '/v1/experiences/..;/..;/metrics',
      '/v1/experiences/%252e%252e%252fmetrics',
      '/v1//../metrics',
      '/v1/payments/methods/..%2f..%2f..%2fmetrics/default',
      '/v1/payments/methods/%2e%2e/default',
      '/V1/EXPERIENCES/../../metrics',
      '/health/ready/../../metrics',
      '/metrics%00',
      '/metrics/',
      '/metrics?x=/v1/experiences',
    ]) {
      const request = get(`Authorization: Bearer ${token}`).replace('/v1/experiences', path)
      const answer = await sendRaw(urlOf(stack, 'gateway'), request)
      expect({ path, statuses: statusesIn(answer) }).toEqual({ path, statuses: [expect.any(Number)] })
      expect([400, 404]).toContain(statusesIn(answer)[0])
      expect(answer).not.toContain('process_cpu')
    }
  })
}
