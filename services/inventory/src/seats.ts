import type { Message } from '@holdfast/contracts/message'
import { send } from '@holdfast/contracts/message'
import { SeatsConfirmed, SeatsReacquired, SeatsRefused, SeatsReleased } from '@holdfast/contracts/messages/inventory'
import { type Queries, statement } from '@holdfast/db/database'
import { availableOf, type SeatState, type SlotSeats, type Step, seatsMoved } from './time-slot.ts'

/**
 * How an allocation moves, in the transaction of the command. Locks are always taken in one order, first the slot's, then
 * the allocation's, as `allocate_seats` does: nobody waits for somebody who waits for him.
 */

export interface LockedSlot extends SlotSeats {
  readonly id: string
  readonly started: boolean
}

export interface Allocation {
  readonly reservationId: string
  readonly state: SeatState
  /** Of a tombstone: none. */
  readonly seats: { readonly slot: LockedSlot; readonly guests: number } | undefined
}

const slotColumns = 'id, capacity, held, booked, starts_at <= clock_timestamp() as started'

const lockSlotOf = statement<LockedSlot>(
  'seats.lock-slot-of-allocation',
  `select ${slotColumns} from time_slot
   where id = (select time_slot_id from allocation where reservation_id = $1) for no key update`,
)
const lockSlotById = statement<LockedSlot>(
  'seats.lock-slot',
  `select ${slotColumns} from time_slot where id = $1 and experience_id = $2 for no key update`,
)
const lockAllocationRow = statement<{ state: SeatState; guests: number | null; slotId: string | null }>(
  'seats.lock-allocation',
  'select state, guests, time_slot_id as "slotId" from allocation where reservation_id = $1 for update',
)
const insertTombstone = statement<{ reservation_id: string }>(
  'seats.tombstone',
  `insert into allocation (reservation_id, state, audit_at) values ($1, 'released', now())
   on conflict (reservation_id) do nothing returning reservation_id`,
)
const move = statement(
  'seats.move',
  `with moved as (
     update allocation set state = $2 where reservation_id = $1
   )
   update time_slot set held = held + $4, booked = booked + $5 where id = $3`,
)

/**
 * Locks the allocation of a reservation and its slot. Where there is none, it leaves a tombstone: whatever else is said
 * about this reservation, a late AllocateSeats will find that it is over.
 */
export async function lockAllocation(
  tx: Queries,
  reservationId: string,
  tries = 1,
): Promise<Allocation & { isNew: boolean }> {
  const slot = await tx.maybeOne(lockSlotOf, [reservationId])
  const row = await tx.maybeOne(lockAllocationRow, [reservationId])
  if (!row) {
    const isNew = (await tx.maybeOne(insertTombstone, [reservationId])) !== undefined
    // Otherwise it was allocated just now; that has been committed, so this time it is found.
    return isNew
      ? { reservationId, state: 'released', seats: undefined, isNew }
      : lockAllocation(tx, reservationId, tries)
  }
  if (row.slotId && !slot) {
    if (tries > 2) throw new Error(`the time slot ${row.slotId} of an allocation is missing`)
    // Allocated between the two statements: its slot has to be locked first.
    return lockAllocation(tx, reservationId, tries + 1)
  }
  const seats = slot && row.guests ? { slot, guests: row.guests } : undefined
  return { reservationId, state: row.state, seats, isNew: false }
}

/** Locks a slot, to give its seats to a reservation that has none. */
export const lockSlot = (tx: Queries, slotId: string, experienceId: string): Promise<LockedSlot | undefined> =>
  tx.maybeOne(lockSlotById, [slotId, experienceId])

export function hasRoom(allocation: Allocation): boolean {
  const { seats } = allocation
  return seats !== undefined && seats.guests <= availableOf(seats.slot)
}

export async function applyStep(tx: Queries, { reservationId, state, seats }: Allocation, step: Step): Promise<void> {
  if (step.state === state) return
  if (!seats) throw new Error(`a reservation without seats cannot become ${step.state}`)
  const { held, booked } = seatsMoved(state, step.state, seats.guests)
  await tx.run(move, [reservationId, step.state, seats.slot.id, held, booked])
}

const answers = {
  confirmed: SeatsConfirmed,
  released: SeatsReleased,
  reacquired: SeatsReacquired,
  refused: SeatsRefused,
} as const

export const answerOf = (step: Step, reservationId: string): Message => send(answers[step.answer], { reservationId })
