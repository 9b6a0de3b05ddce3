import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { sendRaw, statusesIn } from '@holdfast/testing/raw-http'
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Answer } from '../support/api.ts'
import { expectError, expectInvalid } from '../support/errors.ts'
import { aHold, anOffer, aUser, holdBody, type Offer, readReservation, readSlot } from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { urlOf } from './surroundings.ts'

const limitBytes = 64 * 1024

/** Bodies and queries made to confuse, to grow or to outlast: refused in the documented words, and nobody else waits. */
export function hostileBodies(stack: TestStack): void {
  let guest: string
  let offer: Offer
  let pids: unknown
  const running = () => stack.running.stack.processes.map(({ name, pid }) => ({ name, pid }))
  beforeAll(async () => {
    offer = await anOffer(stack, { slot: { capacity: 1_000 } })
    pids = running()
  }, 60_000)
  beforeEach(() => {
    guest = aUser()
  })
  type Bytes = string | Uint8Array<ArrayBuffer>
  const send = (body: Bytes, headers: Record<string, string> = {}, path = '/v1/reservations/hold') =>
    stack.api.send('POST', path, {
      as: guest,
      body,
      headers: { 'content-type': 'application/json', 'x-idempotency-key': randomUUID(), ...headers },
    })
  const text = (changes: Record<string, unknown> = {}) => JSON.stringify(holdBody(offer, changes))
  const read = async ({ body }: Answer) => readReservation(stack, guest, (body as Held).reservation.id)

  describe('a name that is given twice', () => {
    test('in a query is refused, not chosen from', async () => {
      for (const query of ['limit=1&limit=2', 'limit[]=1', 'limit[0]=1&limit[1]=2', 'status=held&status=pending']) {
        const answer = await stack.api.send('GET', `/v1/reservations?${query}`, { as: guest })
        // In brackets it is another name, and names that we do not know are nothing to us.
        if (query.includes('[')) expect(answer).toMatchObject({ status: 200, body: { pagination: { limit: 10 } } })
        else expectInvalid(answer, `querystring.${query.split('=')[0]}`)
      }
    })

    test('in a query never reaches a prototype', async () => {
      for (const name of [
        '__proto__',
        'constructor',
        'prototype',
        '__proto__[limit]',
        'constructor[prototype][limit]',
      ]) {
        const answer = await stack.api.send('GET', `/v1/reservations?${name}=1&${name}=2`, { as: guest })
        expect(answer).toMatchObject({ status: 200, body: { pagination: { limit: 10, offset: 0 } } })
      }
    })

    test('in a body counts as its last, in the answer, in the row and for its key', async () => {
      const key = randomUUID()
      const twice = text().replace('{', '{"numberOfGuests":1,"guestName":"Eve",')
      const answer = await send(twice, { 'x-idempotency-key': key })
      expect(await read(answer)).toMatchObject({ numberOfGuests: 2, guestName: 'John Doe' })
      expect(await send(text(), { 'x-idempotency-key': key })).toMatchObject({ status: 200, body: answer.body })
    })
  })

  describe('names that mean something to a machine', () => {
    const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'toJSON']
    test.each(names)('%s in a body gives nobody anything', async (name) => {
      const { numberOfGuests: _left, ...rest } = holdBody(offer)
      const fields = JSON.stringify(rest).slice(1)
      // What is missing does not come from there; what is there is not changed by it.
      expectInvalid(await send(`{"${name}":{"numberOfGuests":1},${fields}`), 'body.numberOfGuests')
      const answer = await send(`{"${name}":{"isOperator":true,"status":"confirmed"},${text().slice(1)}`)
      expect(await read(answer)).toMatchObject({ status: 'held', numberOfGuests: 2 })
      const wanted = { as: guest, body: { title: 'x', timeZone: 'UTC', pricePerGuest: 1 } }
      expectError(await stack.api.call(catalog.createExperience, wanted), 'FORBIDDEN')
    })

    test('fields of ours that are not the guest’s to say change nothing', async () => {
      const mine = { id: randomUUID(), status: 'confirmed', paymentStatus: 'paid', totalPrice: 0, userId: 'another' }
      const answer = await send(text({ ...mine, holdExpiresAt: '2099-01-01T00:00:00Z', currency: 'jpy' }))
      const reservation = await read(answer)
      expect(reservation).toMatchObject({
        status: 'held',
        paymentStatus: 'unpaid',
        totalPrice: 20_000,
        currency: 'usd',
      })
      expect(reservation.id).not.toBe(mine.id)
    })
  })

  describe('bodies that are made to last', () => {
    const filled = (inner: string) => inner.slice(0, limitBytes)
    const slow: [string, () => Bytes][] = [
      ['10,000 lists deep', () => `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
      ['10,000 objects deep', () => `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
      ['64 KiB of brackets that never close', () => '['.repeat(limitBytes)],
      ['a list of 30,000', () => text({ guestName: Array(15_000).fill(0) })],
      ['a list of lists', () => text({ guestName: Array(10_000).fill([]) })],
      ['6,000 names', () => JSON.stringify(Object.fromEntries(Array.from({ length: 6_000 }, (_, i) => [i, 0])))],
      [
        'a number of 60,000 digits',
        () => text().replace('"numberOfGuests":2', `"numberOfGuests":${'9'.repeat(60_000)}`),
      ],
      ['an exponent beyond all', () => text().replace('"numberOfGuests":2', '"numberOfGuests":1e999999999')],
      ['a name of 60,000 escapes', () => filled(text({ guestName: '\u0001'.repeat(10_000) }))],
      ['60,000 characters as an address', () => text({ guestEmail: `${'a.'.repeat(30_000)}@b` })],
      ['lone surrogates', () => text({ guestName: '\ud800'.repeat(10_000) })],
      ['a mark of byte order in the middle', () => `{\ufeff${text().slice(1)}`],
    ]
    test.each(slow)('%s: refused, and whoever comes with it is served', async (_what, body) => {
      const bytes = body()
      const [bystander, ...answers] = await Promise.all([
        stack.api.send('GET', '/v1/experiences?limit=1', { as: guest }),
        ...Array.from({ length: 10 }, () => send(bytes)),
      ])
      expect(bystander?.status).toBe(200)
      for (const answer of answers) expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
    })

    /** A route of each door that takes a body. */
    const taking = {
      gateway: '/v1/reservations/hold',
      inventory: '/v1/experiences',
      reservation: '/v1/reservations/hold',
      payment: '/v1/payments/methods',
    } as const
    const startOf = async (path: string, ...headers: string[]) => {
      const authorization = `Authorization: Bearer ${await stack.token(operator)}`
      const lines = [`POST ${path} HTTP/1.1`, 'Host: x', authorization, 'Content-Type: application/json', ...headers]
      return `${lines.join('\r\n')}\r\n\r\n`
    }

    test.each(Object.entries(taking))(
      'one byte more than 64 KiB, and what claims to be more: %s',
      async (door, path) => {
        const url = urlOf(stack, door)
        const [small, huge] = [
          await startOf(path, `Content-Length: ${limitBytes + 1}`),
          await startOf(path, 'Content-Length: 9999999999'),
        ]
        for (const bytes of [small + text().padEnd(limitBytes + 1), huge]) {
          const answer = await sendRaw(url, bytes)
          expect(statusesIn(answer)).toEqual([413])
          expect(answer).toContain('"error":"PAYLOAD_TOO_LARGE"')
        }
      },
    )

    test.each(Object.entries(taking))('chunks without an end are cut off where a body ends: %s', async (door, path) => {
      const chunk = `${(16 * 1024).toString(16)}\r\n${'x'.repeat(16 * 1024)}\r\n`
      const answer = await sendRaw(
        urlOf(stack, door),
        (await startOf(path, 'Transfer-Encoding: chunked')) + chunk.repeat(5),
      )
      expect(statusesIn(answer)).toEqual([413])
    })
  })

  describe('letters', () => {
    const bytes = (...parts: (string | number[])[]) =>
      new Uint8Array(
        Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))),
      )
    const named = (...letters: number[]) => {
      const [before = '', after = ''] = text({ guestName: 'NAME' }).split('NAME')
      return bytes(before, letters, after)
    }
    test.each([
      ['a byte that begins nothing', [0xff]],
      ['a letter in more bytes than it takes', [0xc0, 0xaf]],
      ['a NUL in two bytes', [0xc0, 0x80]],
      ['half of a pair, as UTF-8 has none', [0xed, 0xa0, 0x80]],
      ['a letter that breaks off', [0xe2, 0x82]],
      ['a letter beyond all planes', [0xf5, 0x80, 0x80, 0x80]],
    ] as const)('%s is replaced or refused, never stored as it is', async (_what, letters) => {
      const answer = await send(named(...letters))
      if (answer.status === 200) expect((await read(answer)).guestName).toMatch(/^\ufffd+$/)
      else expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
    })

    test.each([
      ['UTF-16', 'utf16le', 'application/json; charset=utf-16'],
      ['UTF-16 that says nothing of it', 'utf16le', 'application/json'],
    ] as const)('%s is no JSON of ours', async (_what, encoding, type) => {
      const answer = await send(new Uint8Array(Buffer.from(text(), encoding)), { 'content-type': type })
      expect([400, 415]).toContain(answer.status)
      expect(answer.body).toMatchObject({ error: expect.stringMatching(/^(VALIDATION_ERROR|UNSUPPORTED_MEDIA_TYPE)$/) })
    })

    test('a mark of byte order before the body is nothing, or refused', async () => {
      const answer = await send(bytes([0xef, 0xbb, 0xbf], text()))
      if (answer.status !== 200) expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
    })

    test.each(['gzip', 'deflate', 'br', 'gzip, gzip', 'identity', 'x'])(
      'no %s, whatever it would become',
      async (coding) => {
        expectError(await send(text(), { 'content-encoding': coding }), 'UNSUPPORTED_MEDIA_TYPE')
      },
    )
  })

  test('nothing of all that was held, and no process has ended over it', async () => {
    const { held } = await readSlot(stack, offer.timeSlotId)
    const sql = 'select coalesce(sum(number_of_guests), 0)::int as guests from reservation where time_slot_id = $1'
    expect(await stack.rows('reservation', sql, [offer.timeSlotId])).toEqual([{ guests: held }])
    expect(running()).toEqual(pids)
    expect((await aHold(stack, guest, offer)).status).toBe('held')
    expect((await stack.api.ok(reservations.listReservations, { as: guest })).pagination.total).toBe(1)
  })
}

interface Held {
  readonly reservation: { id: string }
}
