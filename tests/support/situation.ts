import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import type { Experience, TimeSlot } from '@holdfast/contracts/values'
import { eventually } from '@holdfast/testing/facts'
import { operator, type TestStack } from './stack.ts'
import { cards } from './stripe-js.ts'

/** The situations that tests begin with, made through the API as a client would. */

const day = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * day).toISOString()

/** The flow document's example: two guests at 10,000, 15 % for the group and 10 % for booking early. */
export const exampleDiscounts = [
  { type: 'group_5_plus', kind: 'group', minGuests: 2, percent: 15 },
  { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
] as const

export async function anExperience(stack: TestStack, changes: Record<string, unknown> = {}): Promise<Experience> {
  const body = { title: 'Sunset sail', timeZone: 'Europe/Lisbon', pricePerGuest: 10_000, ...changes }
  return (await stack.api.ok(catalog.createExperience, { as: operator, body })).experience
}

export async function aTimeSlot(
  stack: TestStack,
  experienceId: string,
  changes: Record<string, unknown> = {},
): Promise<TimeSlot> {
  const body = { startsAt: inDays(40), endsAt: inDays(40.1), capacity: 10, ...changes }
  return (await stack.api.ok(catalog.createTimeSlot, { as: operator, params: { id: experienceId }, body })).timeSlot
}

export interface Offer {
  readonly experienceId: string
  readonly timeSlotId: string
}

/** An experience with one time slot. */
export async function anOffer(
  stack: TestStack,
  changes: { experience?: Record<string, unknown>; slot?: Record<string, unknown> } = {},
): Promise<Offer> {
  const experience = await anExperience(stack, changes.experience)
  const slot = await aTimeSlot(stack, experience.id, changes.slot)
  return { experienceId: experience.id, timeSlotId: slot.id }
}

/** A user nobody else in the tests is. */
export const aUser = (): string => `guest-${randomUUID()}`

export const holdBody = (offer: Offer, changes: Record<string, unknown> = {}) => ({
  ...offer,
  numberOfGuests: 2,
  guestName: 'John Doe',
  guestEmail: 'john@example.com',
  ...changes,
})

export async function aHold(stack: TestStack, as: string, offer?: Offer, changes: Record<string, unknown> = {}) {
  const body = holdBody(offer ?? (await anOffer(stack)), changes)
  return (await stack.api.ok(reservations.createHold, { as, body })).reservation
}

/** A hold whose payment waits for Stripe.js. */
export async function aPendingReservation(
  stack: TestStack,
  as: string,
  offer?: Offer,
  changes?: Record<string, unknown>,
) {
  const { id: holdId } = await aHold(stack, as, offer, changes)
  const { reservation, paymentClientSecret } = await stack.api.ok(reservations.convertHold, { as, body: { holdId } })
  if (!reservation.paymentIntentId || !paymentClientSecret) throw new Error('a priced hold has something to pay')
  return { id: reservation.id, paymentIntentId: reservation.paymentIntentId, clientSecret: paymentClientSecret }
}

export async function aConfirmedReservation(stack: TestStack, as: string, offer?: Offer) {
  const pending = await aPendingReservation(stack, as, offer)
  await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
  await untilStatus(stack, as, pending.id, 'confirmed')
  return pending
}

export const readReservation = async (stack: TestStack, as: string, id: string) =>
  (await stack.api.ok(reservations.getReservation, { as, params: { id } })).reservation

export function untilStatus(stack: TestStack, as: string, id: string, status: string, withinMs = 10_000) {
  const look = async () => {
    const reservation = await readReservation(stack, as, id)
    return reservation.status === status && reservation
  }
  return eventually(`${id} is ${status}`, look, withinMs)
}

export const readSlot = async (stack: TestStack, id: string) =>
  (await stack.api.ok(catalog.getTimeSlot, { as: operator, params: { id } })).timeSlot

/** What the seats of a slot add up to once everything has come to rest. */
export function untilSeats(stack: TestStack, id: string, seats: { held: number; booked: number }) {
  return eventually(`the slot has ${seats.held} held and ${seats.booked} booked`, async () => {
    const { held, booked } = await readSlot(stack, id)
    return held === seats.held && booked === seats.booked
  })
}
