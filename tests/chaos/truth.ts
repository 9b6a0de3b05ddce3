import type { Stage } from './stage.ts'

/** What became of everything, as the databases have it, and Stripe, who has the money. */
export interface Truth {
  readonly reservations: ReadonlyMap<string, ReservationTruth>
  readonly slots: readonly SlotTruth[]
  /** By reservation. */
  readonly intents: ReadonlyMap<string, readonly IntentTruth[]>
  /** Steps of a saga that led away from `confirmed`. */
  readonly undone: readonly { readonly id: string; readonly to: string; readonly type: string }[]
  readonly outboxes: number
}

export interface ReservationTruth {
  readonly id: string
  /** The `sub` of the guest's tokens. */
  readonly user: string
  readonly status: string
  readonly paymentStatus: string
  readonly seats: string
  readonly guests: number
  readonly timeSlotId: string
  readonly totalPrice: number
  readonly reference: string | null
  readonly outcome: string | null
}

export interface SlotTruth {
  readonly id: string
  readonly capacity: number
  readonly held: number
  readonly booked: number
  /** Sums of its allocations. */
  readonly allocatedHeld: number
  readonly allocatedBooked: number
}

export interface IntentTruth {
  readonly id: string
  readonly status: string
  readonly received: number
  /** Amounts of the refunds that gave money back. */
  readonly refunds: readonly number[]
}

const reservationSql = `
  select id, user_id as user, status, payment_status as "paymentStatus", seats, number_of_guests as guests,
    time_slot_id as "timeSlotId", total_price as "totalPrice", reservation_reference as reference, outcome
  from reservation`
const slotSql = `
  select s.id, s.capacity, s.held, s.booked,
    coalesce(sum(a.guests) filter (where a.state = 'held'), 0) as "allocatedHeld",
    coalesce(sum(a.guests) filter (where a.state = 'booked'), 0) as "allocatedBooked"
  from time_slot s left join allocation a on a.time_slot_id = s.id group by s.id`
const undoneSql = `
  select reservation_id as id, to_status as to, type from timeline
  where from_status = 'confirmed' and to_status <> 'confirmed'`
const outboxSql = 'select count(*) as waiting from outbox'

const openSql = `
  select count(*) as open from reservation
  where status in ('held', 'pending') or seats not in ('booked', 'released') or wake_at is not null`
const heldSql = `select count(*) as open from allocation where state = 'held'`

/** Bookings that are not at their end yet. */
export async function countOpen({ databases }: Stage): Promise<number> {
  const counts = await Promise.all([
    databases.rows<{ open: number }>('reservation', openSql),
    databases.rows<{ open: number }>('inventory', heldSql),
  ])
  return counts.flat().reduce((sum, { open }) => sum + open, 0)
}

export async function readTruth({ databases, emulator }: Stage): Promise<Truth> {
  const reservations = await databases.rows<ReservationTruth>('reservation', reservationSql)
  const outboxes = await Promise.all(
    (['inventory', 'reservation', 'payment'] as const).map((name) =>
      databases.rows<{ waiting: number }>(name, outboxSql),
    ),
  )
  const refunds = new Map<string, number[]>()
  for await (const { payment_intent: intent, amount, status } of emulator.stripe.refunds.list({ limit: 100 })) {
    if (typeof intent !== 'string' || status === 'failed' || status === 'canceled') continue
    refunds.set(intent, [...(refunds.get(intent) ?? []), amount])
  }
  const intents = new Map<string, IntentTruth[]>()
  for await (const { id, status, amount_received, metadata } of emulator.stripe.paymentIntents.list({ limit: 100 })) {
    const of = metadata.reservationId ?? ''
    const intent = { id, status, received: amount_received, refunds: refunds.get(id) ?? [] }
    intents.set(of, [...(intents.get(of) ?? []), intent])
  }
  return {
    reservations: new Map(reservations.map((row) => [row.id, row])),
    slots: await databases.rows<SlotTruth>('inventory', slotSql),
    intents,
    undone: await databases.rows('reservation', undoneSql),
    outboxes: outboxes.flat().reduce((sum, { waiting }) => sum + waiting, 0),
  }
}
