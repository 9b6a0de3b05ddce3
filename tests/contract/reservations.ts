import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { expectError } from '../support/errors.ts'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  exampleDiscounts,
  holdBody,
  readReservation,
  untilSeats,
  untilStatus,
} from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

const utc = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

export function reservationEndpoints(stack: TestStack): void {
  let guest: string
  beforeEach(() => {
    guest = aUser()
  })
  const list = (query: Record<string, string | number> = {}, as = guest) =>
    stack.api.ok(reservations.listReservations, { as, query })
  const statusOf = (id: string) => stack.api.ok(reservations.getPaymentStatus, { as: guest, params: { id } })
  const timelineOf = async (id: string) =>
    (await stack.api.ok(reservations.getTimeline, { as: guest, params: { id } })).timeline
  const convert = (holdId: string) => stack.api.call(reservations.convertHold, { as: guest, body: { holdId } })
  const release = (id: string) => stack.api.call(reservations.releaseHold, { as: guest, params: { id } })

  describe('a hold', () => {
    test('lasts as long as the experience says, from now on', async () => {
      const offer = await anOffer(stack, { experience: { holdSeconds: 90, currency: 'jpy' } })
      const before = Date.now()
      const answer = await stack.api.ok(reservations.createHold, { as: guest, body: holdBody(offer) })
      expect(answer).toEqual({
        reservation: {
          id: expect.any(String),
          status: 'held',
          holdExpiresAt: utc,
          totalPrice: 20_000,
          originalPrice: 20_000,
          discountApplied: 0,
          currency: 'jpy',
        },
        appliedDiscounts: { groupDiscount: null, earlyBirdDiscount: null, totalDiscount: 0 },
        holdDurationMinutes: 1.5,
      })
      const lasts = Date.parse(answer.reservation.holdExpiresAt) - 90_000
      expect(lasts).toBeGreaterThanOrEqual(before - 1_000)
      expect(lasts).toBeLessThanOrEqual(Date.now() + 1_000)
      // A currency without a hundredth: what is charged is the same number.
      await convert(answer.reservation.id)
      const intents = await stack.emulator.intentsOf(answer.reservation.id)
      expect(intents).toMatchObject([{ amount: 20_000, currency: 'jpy' }])
    })

    test('is priced once: what changes afterwards changes nothing for it', async () => {
      const offer = await anOffer(stack, { experience: { discounts: exampleDiscounts } })
      const { id } = await aHold(stack, guest, offer)
      const before = await readReservation(stack, guest, id)
      const params = { id: offer.experienceId }
      const body = { title: 'Dearer', pricePerGuest: 99_000, discounts: [], holdSeconds: 1 }
      await stack.api.ok(catalog.updateExperience, { as: operator, params, body })
      const slot = { as: operator, params: { id: offer.timeSlotId }, body: { pricePerGuest: 98_000 } }
      await stack.api.ok(catalog.updateTimeSlot, slot)
      expect(await readReservation(stack, guest, id)).toEqual(before)
      expect(before).toMatchObject({ totalPrice: 15_000, experience: { title: 'Sunset sail' } })
      const { reservation } = (await convert(id)).body as { reservation: { paymentIntentId: string } }
      const intent = await stack.emulator.stripe.paymentIntents.retrieve(reservation.paymentIntentId)
      expect(intent).toMatchObject({ amount: 15_000, currency: 'usd' })
    })

    test('reads in all its fields, alone and in the list', async () => {
      const offer = await anOffer(stack, { experience: { discounts: exampleDiscounts } })
      const fields = { guestPhone: '+1234567890', specialRequests: 'A window' }
      const hold = await aHold(stack, guest, offer, fields)
      const [experience, timeSlot] = await Promise.all([
        stack.api.ok(catalog.getExperience, { as: guest, params: { id: offer.experienceId } }),
        stack.api.ok(catalog.getTimeSlot, { as: guest, params: { id: offer.timeSlotId } }),
      ])
      const reservation = await readReservation(stack, guest, hold.id)
      expect(reservation).toEqual({
        id: hold.id,
        ...offer,
        status: 'held',
        paymentStatus: 'unpaid',
        numberOfGuests: 2,
        guestName: 'John Doe',
        guestEmail: 'john@example.com',
        ...fields,
        originalPrice: 20_000,
        discountApplied: 5_000,
        totalPrice: 15_000,
        currency: 'usd',
        holdExpiresAt: hold.holdExpiresAt,
        paymentIntentId: null,
        reservationReference: null,
        createdAt: utc,
        updatedAt: utc,
        experience: experience.experience,
        timeSlot: { ...timeSlot.timeSlot, held: expect.any(Number), available: expect.any(Number) },
      })
      expect(await list()).toEqual({
        reservations: [reservation],
        pagination: { total: 1, limit: 10, offset: 0, hasMore: false },
      })
      expect(await statusOf(hold.id)).toEqual({
        success: true,
        data: {
          reservationStatus: 'held',
          paymentIntentId: null,
          stripeStatus: null,
          requiresAction: false,
          actionType: null,
          paymentStatus: 'unpaid',
          amountRefunded: 0,
          refunds: [],
          outcome: null,
        },
      })
      expect(await timelineOf(hold.id)).toEqual([
        {
          at: utc,
          type: 'held',
          from: null,
          to: 'held',
          messageId: null,
          causationId: expect.any(String),
          details: expect.any(Object),
        },
      ])
    })

    test('is released once, and is then cancelled whatever is tried', async () => {
      const offer = await anOffer(stack)
      const { id } = await aHold(stack, guest, offer)
      for (const _each of [1, 2]) {
        const { status, body } = await release(id)
        expect({ status, body }).toEqual({ status: 200, body: { reservation: { id, status: 'cancelled' } } })
      }
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
      expectError(await convert(id), 'INVALID_HOLD_STATUS')
      expect(await readReservation(stack, guest, id)).toMatchObject({ status: 'cancelled', paymentStatus: 'unpaid' })
    })

    test('expires by itself, from the very moment, and its seats are free again', async () => {
      const offer = await anOffer(stack, { experience: { holdSeconds: 1 }, slot: { capacity: 2 } })
      const { id, holdExpiresAt } = await aHold(stack, guest, offer)
      const expired = await untilStatus(stack, guest, id, 'expired', 3_000)
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(holdExpiresAt) - 50)
      expect(expired).toMatchObject({ paymentStatus: 'unpaid', paymentIntentId: null })
      expect((await list({ status: 'held' })).reservations).toEqual([])
      expect((await list({ status: 'expired' })).reservations.map((each) => each.id)).toEqual([id])
      await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
      expect((await aHold(stack, guest, offer)).status).toBe('held')
    })
  })

  describe('a conversion', () => {
    test('reads as pending and unpaid, with its intent', async () => {
      const pending = await aPendingReservation(stack, guest)
      expect(await readReservation(stack, guest, pending.id)).toMatchObject({
        ...{ status: 'pending', paymentStatus: 'unpaid' },
        ...{ paymentIntentId: pending.paymentIntentId, reservationReference: null },
      })
      expect((await statusOf(pending.id)).data).toEqual({
        reservationStatus: 'pending',
        paymentIntentId: pending.paymentIntentId,
        stripeStatus: 'requires_payment_method',
        requiresAction: false,
        actionType: null,
        paymentStatus: 'unpaid',
        amountRefunded: 0,
        refunds: [],
        outcome: null,
      })
    })

    test('never moves the timer', async () => {
      const { id, holdExpiresAt } = await aHold(stack, guest)
      for (const _each of [1, 2]) await convert(id)
      expect((await readReservation(stack, guest, id)).holdExpiresAt).toBe(holdExpiresAt)
    })

    test('of a confirmed reservation, and its release, are too late', async () => {
      const { id } = await aConfirmedReservation(stack, guest)
      expectError(await convert(id), 'INVALID_HOLD_STATUS')
      expectError(await release(id), 'INVALID_HOLD_STATUS')
    })
  })

  describe('a confirmed reservation', () => {
    test('was confirmed by the webhook, and confirm answers the same as if it had done it', async () => {
      const { id: reservationId, paymentIntentId } = await aConfirmedReservation(stack, guest)
      const confirm = () =>
        stack.api.ok(reservations.confirmReservation, { as: guest, body: { reservationId, paymentIntentId } })
      const answer = await confirm()
      const { reservationReference } = await readReservation(stack, guest, reservationId)
      expect(answer).toEqual({
        reservation: { id: reservationId, status: 'confirmed', paymentStatus: 'paid', reservationReference },
        payment: { paymentId: expect.any(String), status: 'captured', chargeId: expect.stringMatching(/^ch_/) },
      })
      expect(reservationReference).toMatch(/^[A-Z0-9]{12}$/)
      expect(await confirm()).toEqual(answer)
      const intent = await stack.emulator.stripe.paymentIntents.retrieve(paymentIntentId)
      expect(intent.latest_charge).toBe(answer.payment.chargeId)
    })

    test('has a reference of its own', async () => {
      const offer = await anOffer(stack, { experience: { pricePerGuest: 0 } })
      const references = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const { id } = await aHold(stack, guest, offer)
          await convert(id)
          return (await readReservation(stack, guest, id)).reservationReference
        }),
      )
      expect(new Set(references).size).toBe(5)
    })

    test('tells its story, oldest first, each step with what caused it', async () => {
      const { id } = await aConfirmedReservation(stack, guest)
      const lines = await eventually('the seats are booked', async () => {
        const timeline = await timelineOf(id)
        return timeline.at(-1)?.type === 'seats_confirmed' && timeline
      })
      expect(lines.map(({ from, to }) => [from, to])).toEqual([
        [null, 'held'],
        ['held', 'held'],
        ['held', 'pending'],
        ['pending', 'confirmed'],
        ['confirmed', 'confirmed'],
      ])
      const times = lines.map(({ at }) => at)
      expect(times).toEqual(times.toSorted())
      for (const line of lines) expect(line.causationId).toEqual(expect.any(String))
    })
  })

  describe('the list', () => {
    test('is paged, newest first, and filtered by one or several statuses', async () => {
      const offer = await anOffer(stack, { slot: { capacity: 100 } })
      const held = await aHold(stack, guest, offer)
      const pending = await aPendingReservation(stack, guest, offer)
      const cancelled = await aHold(stack, guest, offer)
      await release(cancelled.id)
      const confirmed = await aConfirmedReservation(stack, guest, offer)
      const newestFirst = [confirmed.id, cancelled.id, pending.id, held.id]
      const find = async (query: Record<string, string | number>) => {
        const page = await list(query)
        return [page.reservations.map(({ id }) => id), page.pagination] as const
      }
      const page = (total: number, limit: number, offset: number, hasMore: boolean) => ({
        total,
        limit,
        offset,
        hasMore,
      })
      expect(await find({})).toEqual([newestFirst, page(4, 10, 0, false)])
      expect(await find({ limit: 3 })).toEqual([newestFirst.slice(0, 3), page(4, 3, 0, true)])
      expect(await find({ limit: 3, offset: 1 })).toEqual([newestFirst.slice(1), page(4, 3, 1, false)])
      expect(await find({ limit: 100, offset: 4 })).toEqual([[], page(4, 100, 4, false)])
      expect(await find({ limit: 1, offset: 1_000 })).toEqual([[], page(4, 1, 1_000, false)])
      expect(await find({ status: 'confirmed' })).toEqual([[confirmed.id], page(1, 10, 0, false)])
      expect(await find({ status: 'confirmed,held', limit: 1 })).toEqual([[confirmed.id], page(2, 1, 0, true)])
      expect(await find({ status: 'held,confirmed', offset: 1 })).toEqual([[held.id], page(2, 10, 1, false)])
      expect(await find({ status: 'pending,cancelled' })).toEqual([[cancelled.id, pending.id], page(2, 10, 0, false)])
      expect(await find({ status: 'expired' })).toEqual([[], page(0, 10, 0, false)])
      expect(await find({ status: 'held,held' })).toEqual([[held.id], page(1, 10, 0, false)])
      expect((await list({}, aUser())).reservations).toEqual([])
    })
  })

  test('a free reservation that is paid nothing is confirmed, and cannot be converted or confirmed again', async () => {
    const offer = await anOffer(stack, { experience: { pricePerGuest: 0 } })
    const { id, totalPrice } = await aHold(stack, guest, offer)
    expect(totalPrice).toBe(0)
    const requests = (await stack.emulator.requests()).length
    expect((await convert(id)).body).toMatchObject({
      reservation: { id, status: 'confirmed' },
      paymentClientSecret: null,
    })
    expect(await stack.emulator.requests()).toHaveLength(requests)
    expect(await readReservation(stack, guest, id)).toMatchObject({
      ...{ status: 'confirmed', paymentStatus: 'paid', paymentIntentId: null },
      reservationReference: expect.stringMatching(/^[A-Z0-9]{12}$/),
    })
    expectError(await convert(id), 'INVALID_HOLD_STATUS')
    expect((await statusOf(id)).data).toMatchObject({
      reservationStatus: 'confirmed',
      stripeStatus: null,
      outcome: null,
    })
  })

  test('a payment that failed is told by the status, and confirm says what Stripe says', async () => {
    const pending = await aPendingReservation(stack, guest)
    await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.insufficientFunds)
    await eventually('it is known', async () => (await statusOf(pending.id)).data.paymentStatus === 'failed')
    const body = { reservationId: pending.id, paymentIntentId: pending.paymentIntentId }
    expectError(
      await stack.api.call(reservations.confirmReservation, { as: guest, body }),
      'PAYMENT_PROCESSING_FAILED',
      {
        stripeStatus: 'requires_payment_method',
      },
    )
  })
}
