import type { Finding } from './booking.ts'
import type { Databases } from './databases.ts'

/** Slots against the sums of their allocations: one statement, so both are of the same moment. */

interface SlotRow {
  readonly id: string
  readonly capacity: number
  readonly held: number
  readonly booked: number
  readonly heldSum: number
  readonly bookedSum: number
  readonly now: Date
}

export interface SeatTotals {
  readonly slots: number
  readonly capacity: number
  readonly held: number
  readonly booked: number
}

const sums = `
  select s.id, s.capacity, s.held, s.booked, coalesce(a.held, 0)::int as "heldSum", coalesce(a.booked, 0)::int as "bookedSum",
    now() as now
  from time_slot s
  full join (
    select time_slot_id, sum(guests) filter (where state = 'held') as held, sum(guests) filter (where state = 'booked') as booked
    from allocation where state <> 'released' group by time_slot_id
  ) a on a.time_slot_id = s.id
  where s.id is null or s.held < 0 or s.booked < 0 or s.held + s.booked > s.capacity
    or s.held <> coalesce(a.held, 0) or s.booked <> coalesce(a.booked, 0)
  order by s.id limit 1000`

const totals = `
  select count(*)::int as slots, coalesce(sum(capacity), 0) as capacity, coalesce(sum(held), 0) as held,
    coalesce(sum(booked), 0) as booked
  from time_slot`

export async function judgeSlots(databases: Databases): Promise<Finding[]> {
  return (await databases.rows<SlotRow>('inventory', sums)).map(judgeSlot)
}

export function judgeSlot({ id, capacity, held, booked, heldSum, bookedSum, now }: SlotRow): Finding {
  const isOver = held + booked > capacity || heldSum + bookedSum > capacity
  const counts = `held ${held}, booked ${booked} of ${capacity}; its allocations add up to ${heldSum} and ${bookedSum}`
  const what = isOver ? `sold more than there is: ${counts}` : counts
  return { subject: `slot ${id}`, kind: isOver ? 'oversold' : 'slot-sums', what, since: now, standing: 'drift' }
}

export async function seatTotals(databases: Databases): Promise<SeatTotals> {
  const [row] = await databases.rows<SeatTotals>('inventory', totals)
  return row ?? { slots: 0, capacity: 0, held: 0, booked: 0 }
}
