import type { SlotFacts, Which } from '@holdfast/contracts/facts'
import type { SeatsOnRecord } from '@holdfast/contracts/messages/inventory'
import type { PaymentsOnRecord } from '@holdfast/contracts/messages/payment'
import type { Booking, ReservationFacts } from './booking.ts'

/**
 * Bookings from the three services, side by side. Each is walked in the order of its ids, a page of each at a time, so what
 * only one of them knows is seen as well, and a database of any size takes a page's memory. Pure.
 */

export interface ReservationsOnRecord {
  readonly now: string
  readonly reservations: readonly ReservationFacts[]
}

export interface Page {
  readonly now: string
  readonly bookings: readonly Booking[]
  readonly slots: readonly SlotFacts[]
  /** The id to go on after, unless this was the end. */
  readonly next: string | undefined
}

export function sideBySide(
  which: Which,
  { now, reservations }: ReservationsOnRecord,
  { allocations, slots }: SeatsOnRecord,
  { payments }: PaymentsOnRecord,
): Page {
  const reservationOf = new Map(reservations.map((row) => [row.id, row]))
  const allocationOf = new Map(allocations.map((row) => [row.reservationId, row]))
  const paymentOf = new Map(payments.map((row) => [row.reservationId, row]))
  const slotOf = new Map(slots.map((row) => [row.id, row]))
  const next = endOf(which, [reservationOf, allocationOf, paymentOf, slotOf])
  const isWithin = (id: string) => next === undefined || id <= next
  const ids = new Set([...reservationOf.keys(), ...allocationOf.keys(), ...paymentOf.keys()])
  return {
    now,
    bookings: [...ids].filter(isWithin).map((id) => ({
      id,
      now,
      reservation: reservationOf.get(id),
      allocation: allocationOf.get(id),
      payment: paymentOf.get(id),
    })),
    slots: slots.filter(({ id }) => isWithin(id)),
    next,
  }
}

/** A full list says nothing about what comes after its last row: the first such end is as far as all of them are known. */
function endOf(which: Which, lists: readonly ReadonlyMap<string, unknown>[]): string | undefined {
  if (!('after' in which)) return undefined
  const ends = lists.filter(({ size }) => size >= which.limit).map((list) => [...list.keys()].sort().at(-1) ?? '')
  return ends.sort()[0]
}
