import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Answer } from '../support/api.ts'
import { expectError, expectInvalid } from '../support/errors.ts'
import {
  aHold,
  anExperience,
  anOffer,
  aPendingReservation,
  aUser,
  holdBody,
  readSlot,
  untilStatus,
} from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

const isReplay = ({ headers }: Answer) => headers.get('idempotent-replayed') === 'true'
const idOf = ({ body }: Answer) => (body as { reservation: { id: string } }).reservation.id

/** The rules of idempotency keys, each seen from outside. */
export function idempotency(stack: TestStack): void {
  let guest: string
  let key: string
  beforeEach(() => {
    guest = aUser()
    key = randomUUID()
  })
  const hold = (body: unknown, as = guest) => stack.api.call(reservations.createHold, { as, body, key })
  const convert = (body: unknown, withKey = key) =>
    stack.api.call(reservations.convertHold, { as: guest, body, key: withKey })

  /** The first answer, and the same again with nothing run. */
  function expectReplayed(first: Answer, second: Answer): void {
    expect(isReplay(first)).toBe(false)
    expect({ status: second.status, body: second.body }).toEqual({ status: first.status, body: first.body })
    expect(isReplay(second)).toBe(true)
    expect(second.headers.get('content-type')).toBe('application/json; charset=utf-8')
  }

  describe('the same key', () => {
    test('with the same body in another order and with other white space is answered from the store', async () => {
      const offer = await anOffer(stack)
      const body = holdBody(offer)
      const first = await hold(body)
      const reordered = JSON.stringify(Object.fromEntries(Object.entries(body).reverse()), null, 7)
      expectReplayed(first, await hold(`\n${reordered}\t`))
      expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 2, booked: 0 })
    })

    test('with another body is refused, and nothing is run', async () => {
      const offer = await anOffer(stack)
      const other = await anOffer(stack)
      const first = await hold(holdBody(offer))
      for (const body of [
        holdBody(other),
        holdBody(offer, { numberOfGuests: 3 }),
        holdBody(offer, { numberOfGuests: '2' }),
        holdBody(offer, { specialRequests: null }),
        holdBody(offer, { unknown: 1 }),
      ]) {
        const answer = await hold(body)
        // What is not valid may be told so first; what is valid is another request.
        if (typeof body.numberOfGuests === 'string') expect([400, 422]).toContain(answer.status)
        else expectError(answer, 'IDEMPOTENCY_KEY_REUSED')
      }
      expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 2 })
      expect(await readSlot(stack, other.timeSlotId)).toMatchObject({ held: 0 })
      expectReplayed(first, await hold(holdBody(offer)))
    })

    test('with another body on a convert says which key a retry takes', async () => {
      const { id } = await aHold(stack, guest)
      await convert({ holdId: id })
      const answer = await convert({ holdId: id, savePaymentMethod: true })
      expectError(answer, 'IDEMPOTENCY_KEY_REUSED')
      expect((answer.body as { message: string }).message).toMatch(/-2/)
    })

    test('of another user is another key', async () => {
      const offer = await anOffer(stack)
      const [mine, theirs] = [await hold(holdBody(offer)), await hold(holdBody(offer), aUser())]
      expect([mine.status, theirs.status]).toEqual([200, 200])
      expect(isReplay(theirs)).toBe(false)
      expect(idOf(theirs)).not.toBe(idOf(mine))
    })

    test('on another route is another key', async () => {
      const held = await hold(holdBody(await anOffer(stack)))
      const converted = await convert({ holdId: idOf(held) })
      expect(converted.status).toBe(200)
      expect(isReplay(converted)).toBe(false)
    })

    test('in the header of the IETF draft is the same key', async () => {
      const offer = await anOffer(stack)
      const first = await hold(holdBody(offer))
      const body = JSON.stringify(holdBody(offer))
      const headers = { 'idempotency-key': key, 'content-type': 'application/json' }
      const second = await stack.api.send('POST', '/v1/reservations/hold', { as: guest, body, headers })
      expectReplayed(first, second)
    })

    test('while the first is in flight waits for it', async () => {
      const { id } = await aHold(stack, guest)
      await stack.emulator.fault({ operation: 'payment_intents.create', times: 1, fault: 'delay', delayMs: 1_000 })
      const answers = await Promise.all([convert({ holdId: id }), convert({ holdId: id })])
      expect(answers.map(({ status }) => status)).toEqual([200, 200])
      expect(answers[1]?.body).toEqual(answers[0]?.body)
      expect(answers.filter(isReplay)).toHaveLength(1)
    })

    test('while the first takes more than two seconds is told to come back', async () => {
      const { id } = await aHold(stack, guest)
      await stack.emulator.fault({ operation: 'payment_intents.create', times: 1, fault: 'delay', delayMs: 2_700 })
      const first = convert({ holdId: id })
      await eventually('the first is at Stripe', async () => {
        const [latest] = await stack.emulator.requests()
        return latest?.operation === 'payment_intents.create' && latest.status === null
      })
      const startedAt = Date.now()
      expectError(await convert({ holdId: id }), 'IDEMPOTENCY_KEY_IN_USE')
      expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1_900)
      const answer = await first
      expect(answer.status).toBe(200)
      expectReplayed(answer, await convert({ holdId: id }))
    })
  })

  describe('what is stored', () => {
    test('a business error of a hold, although seats have become free since', async () => {
      const offer = await anOffer(stack, { slot: { capacity: 2 } })
      const other = aUser()
      const { id } = await aHold(stack, other, offer)
      const first = await hold(holdBody(offer))
      expectError(first, 'TIME_SLOT_NOT_AVAILABLE')
      await stack.api.ok(reservations.releaseHold, { as: other, params: { id } })
      await eventually('the seats are free', async () => (await readSlot(stack, offer.timeSlotId)).available === 2)
      expectReplayed(first, await hold(holdBody(offer)))
      expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 0 })
    })

    test('a decline, without asking the bank again', async () => {
      const paymentMethodId = await stack.stripeJs.createPaymentMethod(cards.declinesWhenCharged)
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })
      const { id } = await aHold(stack, guest)
      const body = { holdId: id, paymentMethodId: data.id }
      const first = await convert(body)
      expectError(first, 'PAYMENT_CARD_DECLINED', { declineCode: 'generic_decline' })
      const before = await stack.emulator.requests()
      expectReplayed(first, await convert(body))
      expect(await stack.emulator.requests()).toHaveLength(before.length)
      // Another key is another try at the bank.
      expect(isReplay(await convert(body, `${key}-2`))).toBe(false)
      expect((await stack.emulator.requests()).length).toBeGreaterThan(before.length)
    })

    test('what does not exist', async () => {
      const body = { holdId: randomUUID() }
      expectReplayed(await convert(body), await convert(body))
    })

    test('the old secret, even when the payment has failed since', async () => {
      const { id } = await aHold(stack, guest)
      const first = await convert({ holdId: id })
      const { paymentClientSecret } = first.body as { paymentClientSecret: string }
      await stack.stripeJs.confirmCardPayment(paymentClientSecret, cards.declined)
      expectReplayed(first, await convert({ holdId: id }))
    })
  })

  describe('what is not stored', () => {
    test('a request that was not valid', async () => {
      const offer = await anOffer(stack, { experience: { maxGuests: 4 } })
      expectInvalid(await hold(holdBody(offer, { guestEmail: 'nobody' })), 'body.guestEmail')
      expectInvalid(await hold(holdBody(offer, { numberOfGuests: 5 })), 'body.numberOfGuests')
      const answer = await hold(holdBody(offer))
      expect(answer.status).toBe(200)
      expect(isReplay(answer)).toBe(false)
    })

    test('a request without a valid token', async () => {
      const offer = await anOffer(stack)
      const headers = { 'x-idempotency-key': key, 'content-type': 'application/json', authorization: 'Bearer a.b.c' }
      const body = JSON.stringify(holdBody(offer))
      expectError(await stack.api.send('POST', '/v1/reservations/hold', { body, headers }), 'UNAUTHORIZED')
      expect((await hold(holdBody(offer))).status).toBe(200)
    })
  })

  describe('where a key may be given, it is honoured', () => {
    test('on new experiences and time slots, and without one each request makes its own', async () => {
      const body = { title: 'Twice', timeZone: 'UTC', pricePerGuest: 1 }
      const offer = (withKey: boolean) =>
        stack.api.call(catalog.createExperience, { as: operator, body, ...(withKey && { key }) })
      const first = await offer(true)
      expect(first.status).toBe(201)
      expectReplayed(first, await offer(true))
      const without = [await offer(false), await offer(false)]
      expect(new Set([first, ...without].map(({ body }) => JSON.stringify(body))).size).toBe(3)

      const { id } = await anExperience(stack)
      const slot = { startsAt: '2099-01-01T10:00:00Z', endsAt: '2099-01-01T11:00:00Z', capacity: 1 }
      const add = () => stack.api.call(catalog.createTimeSlot, { as: operator, params: { id }, body: slot, key })
      const added = await add()
      expect(added.status).toBe(201)
      expectReplayed(added, await add())
      const { pagination } = await stack.api.ok(catalog.listTimeSlots, { as: guest, params: { id } })
      expect(pagination.total).toBe(1)
      // The route has the experience in it: the same key there is another one's.
      const other = await anExperience(stack)
      const elsewhere = await stack.api.call(catalog.createTimeSlot, {
        as: operator,
        params: { id: other.id },
        body: slot,
        key,
      })
      expect({ status: elsewhere.status, replay: isReplay(elsewhere) }).toEqual({ status: 201, replay: false })
    })

    test('on confirm', async () => {
      const { id: reservationId, paymentIntentId, clientSecret } = await aPendingReservation(stack, guest)
      await stack.stripeJs.confirmCardPayment(clientSecret, cards.success)
      const body = { reservationId, paymentIntentId }
      const confirm = () => stack.api.call(reservations.confirmReservation, { as: guest, body, key })
      const first = await confirm()
      expect(first.status).toBe(200)
      await untilStatus(stack, guest, reservationId, 'confirmed')
      expectReplayed(first, await confirm())
    })

    test('on saving a card, also when the card was removed since', async () => {
      const body = { paymentMethodId: await stack.stripeJs.createPaymentMethod(cards.success) }
      const add = () => stack.api.call(payments.addPaymentMethod, { as: guest, body, key })
      const first = await add()
      expect(first.status).toBe(200)
      const { data } = first.body as { data: { id: string } }
      await stack.api.ok(payments.deletePaymentMethod, { as: guest, params: { id: data.id } })
      expectReplayed(first, await add())
      expect((await stack.api.ok(payments.listPaymentMethods, { as: guest })).data).toEqual([])
    })
  })

  describe('a key that is none', () => {
    test.each(['/v1/reservations/hold', '/v1/reservations/hold/convert'])('missing: POST %s', async (path) => {
      const headers = { 'content-type': 'application/json' }
      expectError(await stack.api.send('POST', path, { as: guest, headers, body: '{}' }), 'IDEMPOTENCY_KEY_REQUIRED')
    })

    test.each([
      ['empty', ''],
      ['too long', 'k'.repeat(256)],
      ['not ASCII', 'clé'],
      ['with a space in it', 'a b'],
    ])('%s', async (_what, wrong) => {
      const body = JSON.stringify(holdBody(await anOffer(stack)))
      const headers = { 'content-type': 'application/json', 'x-idempotency-key': wrong }
      const answer = await stack.api.send('POST', '/v1/reservations/hold', { as: guest, headers, body })
      // An empty header is none, or one that is too short.
      if (wrong === '' && answer.body && (answer.body as { error: string }).error === 'IDEMPOTENCY_KEY_REQUIRED')
        expectError(answer, 'IDEMPOTENCY_KEY_REQUIRED')
      else expectInvalid(answer, 'X-Idempotency-Key')
    })

    test('the longest one is taken', async () => {
      key = `${randomUUID()}~!${'k'.repeat(255)}`.slice(0, 255)
      const body = holdBody(await anOffer(stack))
      expectReplayed(await hold(body), await hold(body))
    })
  })
}
