import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { converting } from './concurrency/converting.ts'
import type { Answer } from './support/api.ts'
import { expectError } from './support/errors.ts'
import {
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  holdBody,
  readReservation,
  readSlot,
  untilSeats,
  untilStatus,
} from './support/situation.ts'
import { stackOfThisFile } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** Many at once. Two instances of the reservation service, so that nothing is decided by one process's memory. */
const stack = stackOfThisFile({}, { reservation: 2 })

let guest: string
beforeEach(() => {
  guest = aUser()
})
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
const codesOf = (answers: readonly Answer[]) => {
  const codes = answers.map(({ status, body }) => (status === 200 ? '200' : (body as { error: string }).error))
  return Object.fromEntries([...new Set(codes)].map((code) => [code, codes.filter((each) => each === code).length]))
}
const hold = (as: string, body: unknown, key: string = randomUUID()) =>
  stack.api.call(reservations.createHold, { as, body, key })
const idOf = ({ body }: Answer) => (body as { reservation: { id: string } }).reservation.id
const release = (id: string) => stack.api.call(reservations.releaseHold, { as: guest, params: { id } })
const convert = (holdId: string) => stack.api.call(reservations.convertHold, { as: guest, body: { holdId } })

describe('a crowd', () => {
  test('of 200 buyers for the last seat: exactly one gets it', async () => {
    const offer = await anOffer(stack, { slot: { capacity: 1 } })
    const buyers = times(200, aUser)
    // Signed in one after the other: the crowd is to meet at the seat, not at the issuer.
    for (const buyer of buyers) await stack.token(buyer)
    const answers = await Promise.all(buyers.map((buyer) => hold(buyer, holdBody(offer, { numberOfGuests: 1 }))))
    expect(codesOf(answers)).toEqual({ 200: 1, TIME_SLOT_NOT_AVAILABLE: 199 })
    for (const refused of answers.filter(({ status }) => status !== 200))
      expectError(refused, 'TIME_SLOT_NOT_AVAILABLE')
    expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ capacity: 1, held: 1, booked: 0, available: 0 })
    const rows = await stack.rows('reservation', 'select id from reservation where time_slot_id = $1', [
      offer.timeSlotId,
    ])
    expect(rows).toHaveLength(1)
  }, 60_000)

  test('of parties for 25 seats: what is held is what was promised, and no more than there is', async () => {
    const capacity = 25
    const offer = await anOffer(stack, { slot: { capacity } })
    const guests = times(40, (i) => (i % 3) + 1)
    const answers = await Promise.all(guests.map((each) => hold(aUser(), holdBody(offer, { numberOfGuests: each }))))
    const promised = guests.filter((_, i) => answers[i]?.status === 200).reduce((sum, each) => sum + each, 0)
    const { '200': _held, TIME_SLOT_NOT_AVAILABLE: _full, NOT_ENOUGH_CAPACITY: _few, ...others } = codesOf(answers)
    expect(others).toEqual({})
    // Parties of one are among them: none of them goes away while there is a seat.
    expect(promised).toBe(capacity)
    expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: capacity, available: 0 })
  })

  test('that holds, releases and holds again leaves no seat behind', async () => {
    const offer = await anOffer(stack, { slot: { capacity: 3 } })
    const visit = async () => {
      const answer = await hold(guest, holdBody(offer, { numberOfGuests: 1 }))
      if (answer.status === 200) await release(idOf(answer))
    }
    await Promise.all(times(30, visit))
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
    const answers = await Promise.all(times(4, () => hold(guest, holdBody(offer, { numberOfGuests: 1 }))))
    expect(codesOf(answers)).toEqual({ 200: 3, TIME_SLOT_NOT_AVAILABLE: 1 })
  })
})

describe('one key', () => {
  test('in 50 requests at once makes one hold; all are told the same', async () => {
    const offer = await anOffer(stack, { slot: { capacity: 100 } })
    const key = randomUUID()
    const answers = await Promise.all(times(50, () => hold(guest, holdBody(offer), key)))
    const [first, ...others] = answers.filter(({ status }) => status === 200)
    for (const each of others) expect(each.body).toEqual(first?.body)
    for (const late of answers.filter(({ status }) => status !== 200)) expectError(late, 'IDEMPOTENCY_KEY_IN_USE')
    const ran = answers.filter(({ status, headers }) => status === 200 && headers.get('idempotent-replayed') === null)
    expect(ran).toHaveLength(1)
    expect(await readSlot(stack, offer.timeSlotId)).toMatchObject({ held: 2, booked: 0 })
    const { pagination } = await stack.api.ok(reservations.listReservations, { as: guest })
    expect(pagination.total).toBe(1)
  })

  test('with two bodies at once is one of them; the other is refused and holds nothing', async () => {
    const offer = await anOffer(stack, { slot: { capacity: 100 } })
    const key = randomUUID()
    const sizes = times(20, (i) => 3 + (i % 2))
    const answers = await Promise.all(sizes.map((each) => hold(guest, holdBody(offer, { numberOfGuests: each }), key)))
    const winners = new Set(sizes.filter((_, i) => answers[i]?.status === 200))
    expect(winners.size).toBe(1)
    const { '200': _ok, IDEMPOTENCY_KEY_REUSED: refused, IDEMPOTENCY_KEY_IN_USE: _busy, ...others } = codesOf(answers)
    expect({ others, refused }).toEqual({ others: {}, refused: expect.any(Number) })
    const [held = 0] = winners
    await untilSeats(stack, offer.timeSlotId, { held, booked: 0 })
  })

  test('in ten converts at once is one payment', async () => {
    const { id } = await aHold(stack, guest)
    const key = randomUUID()
    const body = { holdId: id }
    const answers = await Promise.all(
      times(10, () => stack.api.call(reservations.convertHold, { as: guest, body, key })),
    )
    const ok = answers.filter(({ status }) => status === 200)
    expect(new Set(ok.map((each) => JSON.stringify(each.body))).size).toBe(1)
    for (const late of answers.filter(({ status }) => status !== 200)) expectError(late, 'IDEMPOTENCY_KEY_IN_USE')
    expect((await readReservation(stack, guest, id)).status).toBe('pending')
  })
})

describe('at the same moment', () => {
  test('webhook, confirm and payment-status find the same payment, and it confirms once', async () => {
    const offer = await anOffer(stack)
    const pending = await aPendingReservation(stack, guest, offer)
    await stack.emulator.webhooks({ duplicate: 3 })
    await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
    const body = { reservationId: pending.id, paymentIntentId: pending.paymentIntentId }
    const params = { id: pending.id }
    const answers = await Promise.all([
      ...times(5, () => stack.api.call(reservations.confirmReservation, { as: guest, body })),
      ...times(5, () => stack.api.call(reservations.getPaymentStatus, { as: guest, params })),
    ])
    await stack.emulator.reset()
    expect(codesOf(answers)).toEqual({ 200: 10 })
    expect(new Set(answers.slice(0, 5).map((each) => JSON.stringify(each.body))).size).toBe(1)
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    const { timeline } = await stack.api.ok(reservations.getTimeline, { as: guest, params })
    expect(timeline.filter(({ to, from }) => to === 'confirmed' && from !== 'confirmed')).toHaveLength(1)
  })

  test('a release and a convert: one wins, and the loser is told so', async () => {
    for (const _round of [1, 2, 3]) {
      const offer = await anOffer(stack)
      const { id } = await aHold(stack, guest, offer)
      const [released, converted] = await Promise.all([release(id), convert(id)])
      expect(released.status).toBe(200)
      if (converted.status !== 200) expectError(converted, 'INVALID_HOLD_STATUS')
      await untilStatus(stack, guest, id, 'cancelled')
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
      await expectNothingPayable(id)
    }
  })

  test('a release and a payment: either the seats are booked and paid, or nothing is', async () => {
    for (const _round of [1, 2, 3]) {
      const offer = await anOffer(stack)
      const pending = await aPendingReservation(stack, guest, offer)
      const [released, paid] = await Promise.all([
        release(pending.id),
        stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success),
      ])
      if (paid.status === 'succeeded') {
        expectError(released, 'INVALID_HOLD_STATUS')
        await untilStatus(stack, guest, pending.id, 'confirmed')
        await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
      } else {
        expect(released.status).toBe(200)
        await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
        await expectNothingPayable(pending.id)
      }
    }
  })

  test('the end of the hold and a payment: either the seats are booked and paid, or nothing is', async () => {
    const offer = await anOffer(stack, { experience: { holdSeconds: 2 }, slot: { capacity: 100 } })
    const paid = await Promise.all(
      times(6, async (i) => {
        const pending = await aPendingReservation(stack, guest, offer)
        const { holdExpiresAt } = await readReservation(stack, guest, pending.id)
        const moment = Date.parse(holdExpiresAt) - 60 + i * 40
        await eventually('it is time', async () => Date.now() >= moment)
        const { status } = await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
        const expected = status === 'succeeded' ? 'confirmed' : 'expired'
        await untilStatus(stack, guest, pending.id, expected)
        return expected === 'confirmed'
      }),
    )
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 * paid.filter(Boolean).length })
  })

  test('the end of the hold, and a confirm or a release: nobody is told that it expired while it can still be paid', async () => {
    const offer = await anOffer(stack)
    await stack.emulator.fault({ operation: 'payment_intents.cancel', times: 100, fault: 'delay', delayMs: 6_000 })
    for (const ask of ['confirm', 'release'] as const) {
      const { id, clientSecret, paymentIntentId } = await aPendingReservation(stack, guest, offer)
      // Over, and nobody has noticed yet.
      await stack.rows('reservation', 'update reservation set hold_expires_at = now() where id = $1', [id])
      const request = { as: guest, body: { reservationId: id, paymentIntentId }, key: randomUUID() }
      const confirm = () => stack.api.call(reservations.confirmReservation, request)
      const asked = ask === 'confirm' ? confirm() : release(id)
      expect(await readReservation(stack, guest, id)).toMatchObject({ status: 'pending', paymentStatus: 'processing' })
      await stack.rows('reservation', 'update reservation set wake_at = now() where id = $1', [id])
      await eventually('Stripe is asked to cancel it', async () => {
        const requests = (await stack.emulator.requests()).map(({ path }) => path)
        return requests.some((path) => path.endsWith(`/${paymentIntentId}/cancel`))
      })
      expect((await stack.stripeJs.confirmCardPayment(clientSecret, cards.success)).status).toBe('succeeded')
      if (ask === 'release') expectError(await asked, 'INVALID_HOLD_STATUS')
      else
        for (const { status, body } of [await asked, await confirm()])
          expect({ status, body }).toMatchObject({ status: 200, body: { reservation: { id, status: 'confirmed' } } })
    }
    await stack.emulator.reset()
  })

  test('the end of the hold and a convert: what was asked too late is told so', async () => {
    const offer = await anOffer(stack, { experience: { holdSeconds: 1 }, slot: { capacity: 100 } })
    await Promise.all(
      times(6, async (i) => {
        const { id, holdExpiresAt } = await aHold(stack, guest, offer)
        const moment = Date.parse(holdExpiresAt) - 60 + i * 20
        await eventually('it is time', async () => Date.now() >= moment)
        const answer = await convert(id)
        if (answer.status !== 200) expectError(answer, 'HOLD_EXPIRED')
        await untilStatus(stack, guest, id, 'expired')
        await expectNothingPayable(id)
      }),
    )
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  })
})

/** No intent of this reservation is open or paid at Stripe. */
async function expectNothingPayable(reservationId: string): Promise<void> {
  await eventually('no intent can be paid', async () => {
    const intents = await stack.emulator.intentsOf(reservationId)
    return intents.every(({ status }) => status === 'canceled')
  })
}

describe('converting', () => converting(stack))
