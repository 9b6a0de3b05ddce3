import * as catalog from '@holdfast/contracts/routes/catalog'
import type { Reservation as Read } from '@holdfast/contracts/routes/reservations'
import * as reservations from '@holdfast/contracts/routes/reservations'
import type { ReservationStatus } from '@holdfast/contracts/values'
import { expect } from '@jest/globals'
import type { z } from 'zod'
import { operator } from '../support/stack.ts'
import { type Booking, type Model, priceFor, priceNow, type Slot, type Span, taken, viewsOf } from './model.ts'
import { observe, pays } from './observe.ts'
import { ask, follow, nothing, type World } from './world.ts'

/** What a guest reads is what the model says, in every field that matters. */

type View = z.infer<typeof Read>

export async function read(world: World, user: string, booking: Booking): Promise<void> {
  const { answer, span } = await ask(world, reservations.getReservation, { as: user, params: { id: booking.id } })
  if (booking.user !== user) return follow(answer, { RESERVATION_NOT_FOUND: nothing })
  follow(answer, { ok: ({ reservation }) => expectSeen(booking, reservation, span) })
}

export function expectSeen(booking: Booking, seen: View, span: Span): void {
  const { id, slot, guests, price: totalPrice, intents } = booking
  observe(booking, seen, span)
  expect(seen).toMatchObject({
    ...{ id, numberOfGuests: guests, totalPrice, timeSlotId: slot.id, experienceId: slot.experience.id },
    holdExpiresAt: new Date(booking.expiresAt).toISOString(),
  })
  expect(seen.originalPrice - seen.discountApplied).toBe(totalPrice)
  expect(seen.timeSlot.pricePerGuest * guests).toBe(seen.originalPrice)
  const { paymentIntentId, reservationReference } = seen
  if (seen.status !== 'confirmed') {
    expect(reservationReference).toBeNull()
    // One that a conversion made which was answered with the end of the hold.
    if (intents.length === 0 && !booking.isConverted) expect(paymentIntentId).toBeNull()
    return
  }
  booking.reference ??= reservationReference
  expect(reservationReference).toBe(booking.reference)
  if (totalPrice > 0) pays(booking, String(paymentIntentId))
  else expect(paymentIntentId).toBeNull()
}

type Status = z.infer<typeof reservations.getPaymentStatus.reply>['data']

export async function readStatus(world: World, booking: Booking): Promise<{ data: Status; span: Span }> {
  const { answer, span } = await ask(world, reservations.getPaymentStatus, {
    as: booking.user,
    params: { id: booking.id },
  })
  expect(answer.status).toBe(200)
  return { data: (answer.body as { data: Status }).data, span }
}

export async function readPaymentStatus(world: World, user: string, booking: Booking): Promise<void> {
  const { answer, span } = await ask(world, reservations.getPaymentStatus, { as: user, params: { id: booking.id } })
  if (booking.user !== user) return follow(answer, { RESERVATION_NOT_FOUND: nothing })
  follow(answer, { ok: ({ data }) => expectStatus(booking, data, span) })
}

function expectStatus(booking: Booking, data: Status, span: Span): void {
  const { intents } = booking
  observe(booking, { status: data.reservationStatus, paymentStatus: data.paymentStatus }, span)
  const returned = data.refunds.reduce((sum, refund) => sum + refund.amount, 0)
  expect(data.amountRefunded).toBe(returned)
  expect(returned).toBeLessThanOrEqual(intents.reduce((sum, { amount }) => sum + amount, 0))
  if (intents.every(({ isOurs }) => isOurs)) {
    expect(data.outcome).toBeNull()
    expect(returned).toBeLessThanOrEqual(intents.reduce((sum, intent) => sum + intent.returned, 0))
  }
  if (data.reservationStatus === 'confirmed' && booking.price > 0) {
    expect(data.stripeStatus).toBe('succeeded')
    pays(booking, String(data.paymentIntentId))
  }
  expect(data.requiresAction).toBe(data.stripeStatus === 'requires_action')
  expect(data.actionType !== null).toBe(data.requiresAction)
}

export interface ListWish {
  readonly statuses: readonly ReservationStatus[]
  readonly limit: number
  readonly offset: number
}

/** Newest first, and with a filter those that would be seen so. */
export async function list(model: Model, world: World, user: string, { statuses, limit, offset }: ListWish) {
  const query = { limit, offset, ...(statuses.length > 0 && { status: statuses.join(',') }) }
  const { answer, span } = await ask(world, reservations.listReservations, { as: user, query })
  follow(answer, {
    ok: (body: z.infer<typeof reservations.listReservations.reply>) => {
      const own = model.bookings.filter((booking) => booking.user === user).reverse()
      const passes = own.map((booking) => passesFilter(booking, statuses, span))
      const [sure, possible] = [passes.filter((pass) => pass === 'yes'), passes.filter((pass) => pass !== 'no')]
      const { total, hasMore } = body.pagination
      expect(body.pagination).toMatchObject({ limit, offset })
      expect(total).toBeGreaterThanOrEqual(sure.length)
      expect(total).toBeLessThanOrEqual(possible.length)
      expect(hasMore).toBe(offset + body.reservations.length < total)
      const candidates = own.filter((_, index) => passes[index] !== 'no').map(({ id }) => id)
      const seen = body.reservations.map(({ id }) => id)
      if (sure.length === possible.length) expect(seen).toEqual(candidates.slice(offset, offset + limit))
      else expect(candidates.filter((id) => seen.includes(id))).toEqual(seen)
      for (const reservation of body.reservations) {
        const booking = own.find(({ id }) => id === reservation.id)
        if (booking) expectSeen(booking, reservation, span)
      }
    },
  })
}

function passesFilter(booking: Booking, statuses: readonly ReservationStatus[], span: Span): 'yes' | 'no' | 'maybe' {
  if (statuses.length === 0) return 'yes'
  const passing = viewsOf(booking, span).map(({ status }) => statuses.includes(status))
  if (passing.every(Boolean)) return 'yes'
  return passing.some(Boolean) ? 'maybe' : 'no'
}

/** Availability, and the price for a party. */
export async function readSlot(model: Model, world: World, slot: Slot, guests: number): Promise<void> {
  const { answer, span } = await ask(world, catalog.getTimeSlot, {
    as: operator,
    params: { id: slot.id },
    query: { guests },
  })
  follow(answer, { ok: ({ timeSlot }) => expectSlot(model, slot, timeSlot, span, guests) })
}

type SeenSlot = z.infer<typeof catalog.getTimeSlot.reply>['timeSlot']

export function expectSlot(model: Model, slot: Slot, seen: SeenSlot, span: Span, guests?: number): void {
  const { held, booked, available, capacity } = seen
  expect(Math.min(held, booked)).toBeGreaterThanOrEqual(0)
  expect(held + booked).toBeLessThanOrEqual(capacity)
  expect(available).toBe(capacity - held - booked)
  if (!model.isAlone) return
  const { least, most } = taken(model, slot, span)
  expect(held + booked).toBeGreaterThanOrEqual(least)
  expect(held + booked).toBeLessThanOrEqual(most)
  expect(seen).toMatchObject({
    ...{ capacity: slot.capacity, status: slot.isOpen ? 'open' : 'closed', pricePerGuest: priceNow(slot) },
    ...(guests !== undefined && { price: priceFor(slot, priceNow(slot), guests) }),
  })
}
