import type { AllocationFacts, SlotFacts, Which } from '@holdfast/contracts/facts'
import type { SeatsOnRecord } from '@holdfast/contracts/messages/inventory'
import { type Queries, statement } from '@holdfast/db/database'
import { told, type WithDates } from '@holdfast/db/told'

/** What inventory has on record, for whoever holds it against what the others have. */

const clock = statement<{ now: Date }>('facts.clock', 'select clock_timestamp() as now')

const allocations = (name: string, where: string) =>
  statement<WithDates<AllocationFacts, 'auditAt'>>(
    `facts.allocations-${name}`,
    `select reservation_id as "reservationId", state, time_slot_id as "timeSlotId", guests, audit_at as "auditAt",
       time_slot_id is null or exists (select from time_slot s where s.id = a.time_slot_id) as "slotExists"
     from allocation a where reservation_id ${where} order by reservation_id limit $2`,
  )

/** The slot and its allocations are seen by one statement, so both are of the same moment. */
const slots = (name: string, where: string) =>
  statement<SlotFacts>(
    `facts.slots-${name}`,
    `select s.id, s.capacity, s.held, s.booked, sums.held as "heldSum", sums.booked as "bookedSum"
     from (select * from time_slot where id ${where} order by id limit $2) s
     cross join lateral (
       select coalesce(sum(guests) filter (where state = 'held'), 0) as held,
         coalesce(sum(guests) filter (where state = 'booked'), 0) as booked
       from allocation where time_slot_id = s.id and state <> 'released'
     ) sums
     order by s.id`,
  )

const ofIds = '= any($1::uuid[])'
const afterId = '> $1::uuid'
const statements = {
  of: { allocations: allocations('of', ofIds), slots: slots('of', ofIds) },
  after: { allocations: allocations('after', afterId), slots: slots('after', afterId) },
}

export async function readSeats(database: Pick<Queries, 'one' | 'many'>, which: Which): Promise<SeatsOnRecord> {
  const asked = 'of' in which ? statements.of : statements.after
  const values = 'of' in which ? [which.of, which.of.length] : [which.after, which.limit]
  const [{ now }, allocationRows, slotRows] = await Promise.all([
    database.one(clock),
    database.many(asked.allocations, values),
    database.many(asked.slots, values),
  ])
  return { now: now.toISOString(), allocations: allocationRows.map(told), slots: slotRows }
}
