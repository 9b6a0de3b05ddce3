import { randomUUID } from 'node:crypto'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, describe, expect, test } from '@jest/globals'
import type Stripe from 'stripe'
import { expectError } from '../support/errors.ts'
import { aPendingReservation, aUser, readReservation, untilStatus } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { deliver, type Payload, paidIntent, signed, succeeded } from './events.ts'

/** Only what Stripe signed, over these very bytes and not long ago, is believed. */
export function signatures(stack: TestStack): void {
  let guest: string
  let pending: { id: string; paymentIntentId: string }
  beforeEach(async () => {
    guest = aUser()
    pending = await aPendingReservation(stack, guest)
  })
  const post = (body: string, headers: Record<string, string> = {}) =>
    stack.api.send('POST', '/v1/webhooks/stripe', { body, headers: { 'content-type': 'application/json', ...headers } })
  const seconds = () => Math.floor(Date.now() / 1_000)
  const payload = async () => JSON.stringify(succeeded(await paidIntent(stack, pending.paymentIntentId)))
  const sign = (text: string, options: { secret?: string; timestamp?: number } = {}) => signed(stack, text, options)

  describe('an event that Stripe did not sign is refused, and moves nothing', () => {
    type Forge = (text: string) => string | undefined
    const forgeries: [string, Forge][] = [
      ['no signature', () => undefined],
      ['an empty one', () => ''],
      ['no signature at all in it', () => 'nonsense'],
      ['another secret', (text) => sign(text, { secret: 'whsec_another' })],
      ['another body', (text) => sign(`${text} `)],
      ['five minutes ago', (text) => sign(text, { timestamp: seconds() - 301 })],
      [
        'a time put in afterwards',
        (text) => sign(text, { timestamp: seconds() - 301 }).replace(/t=\d+/, `t=${seconds()}`),
      ],
      ['a time left out', (text) => sign(text).replace(/t=\d+,/, '')],
      ['another scheme', (text) => sign(text).replace('v1=', 'v0=')],
      ['half a signature', (text) => sign(text).slice(0, -32)],
      ['several, and none of them right', (text) => `${sign(text, { secret: 'whsec_a' })},v1=${'0'.repeat(64)},v1=`],
      ['two times, the second one recent', (text) => `${sign(text, { timestamp: seconds() - 301 })},t=${seconds()}`],
      ['two times, the first one recent', (text) => `t=${seconds()},${sign(text, { timestamp: seconds() - 301 })}`],
      ['a time that is no number', (text) => sign(text).replace(/t=\d+/, 't=now')],
      ['nothing but a time', () => `t=${seconds()}`],
      ['an empty signature', () => `t=${seconds()},v1=`],
      ['an empty secret', (text) => sign(text, { secret: '' })],
      ['the signature of nothing', () => sign('')],
      ['more than any header of Stripe', (text) => `${`v1=${'0'.repeat(64)},`.repeat(150)}${sign(`${text} `)}`],
      ['a signature that is no hex', () => `t=${seconds()},v1=${'ü'.repeat(64)}`],
    ]
    test.each(forgeries)('%s', async (_what, forge) => {
      const events = () => stack.rows('payment', 'select id, state from stripe_event order by id')
      const text = await payload()
      const signature = forge(text)
      const before = await events()
      const answer = await post(text, signature === undefined ? {} : { 'stripe-signature': signature })
      expectError(answer, 'INVALID_SIGNATURE')
      expect(await events()).toEqual(before)
      expect(await readReservation(stack, guest, pending.id)).toMatchObject({
        status: 'pending',
        paymentStatus: 'unpaid',
      })
    })

    test('a token does not help', async () => {
      const answer = await stack.api.send('POST', '/v1/webhooks/stripe', { as: guest, body: await payload() })
      expectError(answer, 'INVALID_SIGNATURE')
    })
  })

  describe('an event that Stripe signed', () => {
    test('is taken, whatever the body is called, and confirms', async () => {
      const text = await payload()
      const answer = await post(text, { 'stripe-signature': sign(text), 'content-type': 'text/plain' })
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body: { received: true } })
      await untilStatus(stack, guest, pending.id, 'confirmed')
    })

    test('and whose id is spelt otherwise than usual confirms as well', async () => {
      const event = succeeded(await paidIntent(stack, pending.paymentIntentId))
      expect((await deliver(stack, { ...event, id: `evt_${randomUUID()}` })).status).toBe(200)
      await untilStatus(stack, guest, pending.id, 'confirmed')
    })

    test('is taken while the secret is being replaced: one signature of two is right', async () => {
      const text = await payload()
      const [, right = ''] = sign(text).split(',')
      const header = `t=${seconds()},v1=${'0'.repeat(64)},${sign(text, { timestamp: seconds() }).split(',')[1] ?? right}`
      expect((await post(text, { 'stripe-signature': header })).status).toBe(200)
    })

    test.each([
      ['of a type that we do not know', { type: 'customer.created', object: { id: 'cus_x', object: 'customer' } }],
      [
        'about a charge that is none of ours',
        { type: 'charge.refunded', object: { id: 'ch_x', object: 'charge', payment_intent: null } },
      ],
      ['about an intent of another reservation system', { intent: { id: 'pi_elsewhere', metadata: {} } }],
      [
        'about a reservation whose id is none',
        { intent: { id: 'pi_odd', metadata: { reservationId: "x' or 1=1 --" } } },
      ],
      [
        'about an attempt that is no number',
        { intent: { id: 'pi_odd2', metadata: { reservationId: '$id', attempt: '1e99' } } },
      ],
      [
        'about a reservation that does not exist',
        { intent: { id: 'pi_odd3', metadata: { reservationId: randomUUID() } } },
      ],
    ])('%s is taken, and moves nothing', async (_what, about: About) => {
      const intent = await paidIntent(stack, pending.paymentIntentId)
      const metadata = { ...about.intent?.metadata }
      if (metadata.reservationId === '$id') metadata.reservationId = pending.id
      const event = about.intent
        ? succeeded({ ...intent, ...about.intent, id: `${about.intent.id}_${randomUUID()}`, metadata })
        : { ...succeeded(intent), type: about.type, data: { object: about.object } }
      const answer = await deliver(stack, event as Payload)
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body: { received: true } })
      if (!metadata.attempt)
        expect(await readReservation(stack, guest, pending.id)).toMatchObject({
          status: 'pending',
          paymentIntentId: intent.id,
        })
    })

    test.each([
      ['no JSON', 'Stripe'],
      ['nothing', ''],
      ['JSON, but no event', '{"hello":"world"}'],
      ['null', 'null'],
      ['an event without an object', '{"id":"evt_x","object":"event","type":"payment_intent.succeeded","data":{}}'],
      [
        'an event with a NUL',
        '{"id":"evt_\\u0000","object":"event","created":1,"type":"x","data":{"object":{"id":"\\u0000"}}}',
      ],
    ])('over %s is not valid, and no 500', async (_what, text) => {
      const answer = await post(text, { 'stripe-signature': sign(text) })
      expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
    })

    test('larger than a request of ours may be is taken; larger than any event is not', async () => {
      const event = succeeded(await paidIntent(stack, pending.paymentIntentId))
      const padded = (bytes: number) => JSON.stringify({ ...event, padding: 'x'.repeat(bytes) })
      const large = padded(500_000)
      expect((await post(large, { 'stripe-signature': sign(large) })).status).toBe(200)
      await eventually(
        'it counts',
        async () => (await readReservation(stack, guest, pending.id)).status === 'confirmed',
      )
      const huge = padded(1_100_000)
      expectError(await post(huge, { 'stripe-signature': sign(huge) }), 'PAYLOAD_TOO_LARGE')
    })
  })
}

interface About {
  readonly type?: string
  readonly object?: unknown
  readonly intent?: { id: string; metadata: Stripe.Metadata }
}
