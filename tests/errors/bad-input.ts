import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { expectError, expectInvalid } from '../support/errors.ts'
import { anOffer, aUser, holdBody, type Offer, readSlot } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'

const long = (length: number) => 'x'.repeat(length)
const json = { 'content-type': 'application/json' }

/** Whatever is sent: never a 500, never a hang, always the error body, and it names what is wrong. */
export function badInput(stack: TestStack): void {
  let guest: string
  let offer: Offer
  beforeAll(async () => {
    offer = await anOffer(stack, { slot: { capacity: 1_000 } })
  }, 60_000)
  beforeEach(() => {
    guest = aUser()
  })
  const hold = (body: unknown) => stack.api.call(reservations.createHold, { as: guest, body })
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) =>
    stack.api.send('POST', path, { as: guest, body, headers: { 'x-idempotency-key': randomUUID(), ...headers } })
  const raw = (body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>) =>
    post('/v1/reservations/hold', body, headers)

  describe('a hold with a field that is not valid names it', () => {
    const wrong: Record<string, unknown[]> = {
      experienceId: [undefined, null, 1, '', 'x', [], {}, '123e4567-e89b-12d3-a456-42661417400', `${randomUUID()}'`],
      timeSlotId: [undefined, null, true, "' or 1=1 --", `{${randomUUID()}}`, ['a']],
      numberOfGuests: [undefined, null, 0, -1, 1.5, '2', true, [], {}, 10_001, 2 ** 53, 1e308, -1e308],
      guestName: [undefined, null, 1, {}, '', '   ', '\u{2003}', long(201), 'nul\0', '\ud800', 'a\udc00b'],
      guestEmail: [
        undefined,
        null,
        '',
        'x',
        'x@',
        '@x',
        'a b@c.de',
        'a@b',
        `${long(250)}@a.io`,
        'a@b.de\0',
        'a@b.de\n',
      ],
      guestPhone: [1, {}, long(33), 'nul\0', '\udfff'],
      specialRequests: [1, [], long(2_001), 'nul\0 in the middle', '\ud83d'],
    }
    const cases = Object.entries(wrong).flatMap(([field, values]) => values.map((value) => [field, value] as const))

    test.each(cases)('%s: %j', async (field, value) => {
      expectInvalid(await hold(holdBody(offer, { [field]: value })), `body.${field}`)
    })

    test('and all of them at once', async () => {
      const body = { ...offer, numberOfGuests: 0, guestName: '', guestEmail: 'x', guestPhone: 1 }
      expectInvalid(await hold(body), 'body.guestEmail', 'body.guestName', 'body.guestPhone', 'body.numberOfGuests')
    })

    test('and no seat was held by any of it', async () => {
      expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 0, booked: 0 })
    })

    test('more guests than the experience takes', async () => {
      const small = await anOffer(stack, { experience: { maxGuests: 2 } })
      expectInvalid(await hold(holdBody(small, { numberOfGuests: 3 })), 'body.numberOfGuests')
    })
  })

  describe('a body that is none', () => {
    test.each([
      ['nothing', ''],
      ['white space', ' \n'],
      ['half an object', '{"experienceId":'],
      ['two objects', '{}{}'],
      ['a comment', '{/* */}'],
      ['single quotes', "{'a':1}"],
      ['NaN', '{"numberOfGuests":NaN}'],
      ['a control character', '{"guestName":"\n"}'],
      ['HTML', '<html></html>'],
      ['a form', 'experienceId=1&timeSlotId=2'],
    ])('broken JSON: %s', async (_what, body) => {
      expectError(await raw(body), 'VALIDATION_ERROR', expect.any(Array))
    })

    test.each(['null', '[]', '1', '"text"', 'true', '[{}]'])('JSON, but no object: %s', async (body) => {
      expectError(await raw(body), 'VALIDATION_ERROR', expect.any(Array))
    })

    test('bytes that are no UTF-8', async () => {
      const text = Buffer.from(JSON.stringify(holdBody(offer, { guestName: 'AB' })))
      const bytes = new Uint8Array(text)
      bytes[text.indexOf('AB')] = 0xff
      const { status, body } = await raw(bytes)
      // Refused, or read as the replacement character; never anything else.
      if (status === 200) expect(body).toMatchObject({ reservation: { status: 'held' } })
      else expect({ status, body }).toMatchObject({ status: 400, body: { error: 'VALIDATION_ERROR' } })
    })

    test('nested deeper than anything needs', async () => {
      const depth = 15_000
      for (const body of [
        `${'['.repeat(depth)}${']'.repeat(depth)}`,
        `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
        JSON.stringify(holdBody(offer)).replace(/}$/, `,"x":${'['.repeat(depth)}${']'.repeat(depth)}}`),
      ])
        expectError(await raw(body), 'VALIDATION_ERROR', expect.any(Array))
    })

    test('a NUL character in a field that nobody asked for, too', async () => {
      expectError(await hold(holdBody(offer, { extra: 'a\0b' })), 'VALIDATION_ERROR', expect.any(Array))
      expectError(await hold(holdBody(offer, { 'a\0b': 1 })), 'VALIDATION_ERROR', expect.any(Array))
    })

    test('with the keys of prototypes in it changes nobody', async () => {
      const text = JSON.stringify(holdBody(offer)).replace(/}$/, ',"__proto__":{"x":1},"constructor":{"prototype":{}}}')
      expect((await raw(text)).status).toBe(200)
      expect((await raw('{"__proto__":{"experienceId":"x"}}')).status).toBe(400)
    })
  })

  describe('a body of another kind or size', () => {
    test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json', 'x'])(
      'UNSUPPORTED_MEDIA_TYPE: %s',
      async (type) => {
        const body = JSON.stringify(holdBody(offer))
        for (const path of ['/v1/reservations/hold', '/v1/reservations/hold/convert', '/v1/payments/methods'])
          expectError(await post(path, body, { 'content-type': type }), 'UNSUPPORTED_MEDIA_TYPE')
      },
    )

    test('JSON with a charset is JSON', async () => {
      const body = JSON.stringify(holdBody(offer))
      expect((await raw(body, { 'content-type': 'application/json; charset=utf-8' })).status).toBe(200)
      expect((await raw(body, { 'content-type': 'Application/JSON' })).status).toBe(200)
    })

    test('PAYLOAD_TOO_LARGE: one byte more than 64 KiB, whether or not it says so', async () => {
      const body = JSON.stringify(holdBody(offer))
      const limit = 64 * 1024
      expect((await raw(body.padEnd(limit))).status).toBe(200)
      expectError(await raw(body.padEnd(limit + 1)), 'PAYLOAD_TOO_LARGE')
      expectError(await raw(long(500_000)), 'PAYLOAD_TOO_LARGE')
      expectError(await post('/v1/reservations/confirm', body.padEnd(limit + 1)), 'PAYLOAD_TOO_LARGE')
    })
  })
}
