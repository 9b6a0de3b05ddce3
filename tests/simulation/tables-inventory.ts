import type { Experience, TimeSlot } from '../../libs/contracts/src/values.ts'
import { admit, type SeatState } from '../../services/inventory/src/time-slot.ts'
import type { Clock } from './clock.ts'
import { type Statements, type Values, violation } from './database.ts'
import type { Store } from './store.ts'
import { createMessagingTables } from './tables-messaging.ts'

/** The inventory service's tables: what seats.ts, allocate.ts and audit.ts there, and `allocate_seats`, say in SQL. */

export interface Slot {
  readonly id: string
  readonly capacity: number
  readonly held: number
  readonly booked: number
  readonly experience: Experience
  readonly timeSlot: TimeSlot
}

export interface Allocation {
  readonly reservationId: string
  readonly state: SeatState
  /** Null on a tombstone. */
  readonly slotId: string | null
  readonly guests: number | null
  readonly allocatedAt: number
  readonly auditAt: number
  readonly audits: number
}

export type InventoryTables = ReturnType<typeof createInventoryTables>

export function createInventoryTables(store: Store, clock: Clock, graceMs: number) {
  const messaging = createMessagingTables(store, clock)
  const slots = store.table<Slot>()
  const allocations = store.table<Allocation>()

  const begun = (slot: Slot) => Date.parse(slot.timeSlot.startsAt) <= clock.now()
  const locked = (slot: Slot | undefined) => (slot ? [{ ...slot, started: begun(slot) }] : [])

  function moveSlot(id: string, held: number, booked: number): void {
    const slot = slots.get(id)
    if (!slot) return
    const after = { held: slot.held + held, booked: slot.booked + booked }
    if (after.held < 0 || after.booked < 0 || after.held + after.booked > slot.capacity)
      throw violation('time_slot_seats', '23514')
    slots.change(id, after)
  }

  /** One by one, which is the same as in one statement in the order of arrival; admitted by the pure decision. */
  function allocate(reservationId: string, slotId: string, guests: number) {
    const known = allocations.get(reservationId)
    if (known?.state === 'released') return { outcome: 'released', slot_id: null }
    const slot = slots.get(known?.slotId ?? slotId)
    if (!slot) return { outcome: 'slot_not_found', slot_id: null }
    if (!known) {
      if (begun(slot)) return { outcome: 'slot_not_available', slot_id: null }
      const [admission] = admit(slot, [guests])
      if (admission?.outcome !== 'allocated') return { ...admission, slot_id: null }
      const auditAt = clock.now() + slot.experience.holdSeconds * 1_000
      const allocation = { slotId, guests, allocatedAt: clock.now(), auditAt, audits: 0 }
      allocations.put(reservationId, { reservationId, state: 'held', ...allocation })
      moveSlot(slotId, guests, 0)
    }
    return { outcome: 'allocated', ...termsOf(slot, allocations.get(reservationId)) }
  }

  const statements: Statements = {
    ...messaging.statements,
    'seats.allocate': ([reservationIds, _experienceIds, slotIds, guests]: Values) =>
      (reservationIds as string[]).map((id, i) => allocate(id, slotIds[i], guests[i])),
    'seats.lock-slot-of-allocation': ([id]) => locked(slots.get(allocations.get(id)?.slotId ?? '')),
    'seats.lock-slot': ([id]) => locked(slots.get(id)),
    'seats.lock-allocation': ([id]) => allocations.where((row) => row.reservationId === id),
    'seats.tombstone': ([reservationId]) => {
      if (allocations.get(reservationId)) return []
      const nothing = { slotId: null, guests: null, allocatedAt: 0, auditAt: clock.now(), audits: 0 }
      allocations.put(reservationId, { reservationId, state: 'released', ...nothing })
      return [{ reservation_id: reservationId }]
    },
    'seats.move': ([id, state, slotId, held, booked]) => {
      allocations.change(id, { state })
      moveSlot(slotId, held, booked)
      return [{ id: slotId }]
    },
    'seats.fill-tombstone': ([id, slotId, guests]) => {
      allocations.change(id, { slotId, guests, allocatedAt: clock.now() })
      return [{ id }]
    },
    'audit.take': () => {
      const due = allocations.where((row) => row.state === 'held' && row.auditAt <= clock.now() - graceMs)
      for (const { reservationId } of due) allocations.change(reservationId, { auditAt: clock.now() })
      return due
    },
    'audit.postpone': ([ids]) => {
      const kept = allocations.where((row) => row.state === 'held' && (ids as string[]).includes(row.reservationId))
      for (const { reservationId, audits } of kept) {
        const auditAt = clock.now() + Math.min(3_600, 30 * 2 ** Math.min(audits, 10)) * 1_000
        allocations.change(reservationId, { audits: audits + 1, auditAt })
      }
      return kept
    },
  }

  return { messaging, slots, allocations, statements }
}

/** The columns of `allocate_seats`: the slot and its experience as JSON of their rows. */
function termsOf(slot: Slot, allocation: Allocation | undefined) {
  const { experience, timeSlot } = slot
  const { pricePerGuest, discounts, holdSeconds, currency, title, description } = experience
  const priced = { price_per_guest: pricePerGuest, hold_seconds: holdSeconds, max_guests: null, discounts }
  const times = { created_at: experience.createdAt, updated_at: experience.updatedAt, time_zone: experience.timeZone }
  const sums = { capacity: slot.capacity, held: slot.held, booked: slot.booked }
  return {
    slot_id: slot.id,
    guests: allocation?.guests,
    allocated_at: new Date(allocation?.allocatedAt ?? 0),
    starts_at: new Date(timeSlot.startsAt),
    price_per_guest: pricePerGuest,
    discounts,
    hold_seconds: holdSeconds,
    experience: { id: experience.id, title, description, currency, status: 'active', ...priced, ...times },
    slot: {
      ...{ id: slot.id, experience_id: experience.id, starts_at: timeSlot.startsAt, ends_at: timeSlot.endsAt },
      ...{ status: 'open', price_per_guest: null, ...sums },
    },
  }
}
