import { ReacquireSeats } from '@holdfast/contracts/messages/inventory'
import { type Queries, statement } from '@holdfast/db/database'
import { type Handler, on } from '@holdfast/messaging/handler'
import { type Allocation, answerOf, applyStep, hasRoom, type LockedSlot, lockAllocation, lockSlot } from './seats.ts'
import { whenReacquired } from './time-slot.ts'

/**
 * Seats for money that came late. A slot that was closed meanwhile still takes this guest, who had seats before it was; one
 * that has begun does not: the money goes back.
 */
export const onReacquireSeats = (): Handler =>
  on(ReacquireSeats, async ({ reservationId, experienceId, timeSlotId, guests }, tx) => {
    // Before the allocation, which may have no slot of its own to be locked first.
    const slot = await lockSlot(tx, timeSlotId, experienceId)
    const found = await lockAllocation(tx, reservationId)
    const allocation = found.seats || !slot ? found : await fillTombstone(tx, found, slot, guests)
    const step = whenReacquired(allocation.state, hasRoom(allocation) && allocation.seats?.slot.started === false)
    await applyStep(tx, allocation, step)
    tx.say(answerOf(step, reservationId))
  })

const fill = statement(
  'seats.fill-tombstone',
  `update allocation a
   set time_slot_id = s.id, guests = $3, allocated_at = date_trunc('milliseconds', clock_timestamp()),
     price_per_guest = coalesce(s.price_per_guest, e.price_per_guest), currency = e.currency, discounts = e.discounts,
     starts_at = s.starts_at, hold_seconds = e.hold_seconds
   from time_slot s join experience e on e.id = s.experience_id
   where a.reservation_id = $1 and s.id = $2`,
)

/** A reservation whose seats inventory has forgotten, or never knew, stands as if it had once had those it asks for. */
async function fillTombstone(
  tx: Queries,
  tombstone: Allocation,
  slot: LockedSlot,
  guests: number,
): Promise<Allocation> {
  if (guests > slot.capacity) return tombstone
  await tx.run(fill, [tombstone.reservationId, slot.id, guests])
  return { ...tombstone, seats: { slot, guests } }
}
