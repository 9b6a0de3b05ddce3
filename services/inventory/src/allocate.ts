import type { AllocateSeats } from '@holdfast/contracts/messages/inventory'
import type { Discount } from '@holdfast/contracts/values'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import { createBatcher } from '@holdfast/runtime/batcher'
import type { Logger } from '@holdfast/runtime/logger'
import { Histogram, registry } from '@holdfast/runtime/metrics'
import type { z } from 'zod'
import { priceOf } from './pricing.ts'
import { type AsJson, type ExperienceRow, experienceOf, type TimeSlotRow, timeSlotOf } from './store.ts'

export type Ask = z.infer<typeof AllocateSeats.body>
export type Reply = z.infer<typeof AllocateSeats.reply>

/** Parties admitted in one call. More than this gains little, and each waits for all. */
const batchLimit = 200

const batchSize = new Histogram({
  name: 'holdfast_allocation_batch_size',
  help: 'Parties admitted or refused in one statement',
  buckets: [1, 2, 5, 10, 20, 50, 100, batchLimit],
  registers: [registry],
})

/** Answers who asks for seats: all that has queued up while the last statement ran, in the order of its arrival. */
export function createAllocator(database: Database, logger: Logger): (ask: Ask) => Promise<Reply> {
  return createBatcher<Ask, Reply>({
    name: 'allocating seats',
    limit: batchLimit,
    logger,
    observe: (size) => batchSize.observe(size),
    runAll: (asks) => allocateSeats(database, asks),
    // In a transaction of its own, which is run again when it met a deadlock.
    runOne: async (ask) => {
      const [reply] = await database.transaction((tx) => allocateSeats(tx, [ask]))
      if (!reply) throw new Error('allocate_seats left somebody without an answer')
      return reply
    },
  })
}

interface Row {
  outcome: Reply['outcome']
  slot_id: string | null
  available: number | null
  max_guests: number | null
  guests: number | null
  allocated_at: Date | null
  price_per_guest: number | null
  discounts: Discount[] | null
  starts_at: Date | null
  hold_seconds: number | null
  slot: AsJson<TimeSlotRow> | null
  experience: AsJson<ExperienceRow> | null
}

const allocate = statement<Row>(
  'seats.allocate',
  'select * from allocate_seats($1::uuid[], $2::uuid[], $3::uuid[], $4::int[])',
)

/** An int for Postgres; far beyond any capacity and any maximum, so the answer is the same. */
const largestInt = 2_147_483_647

/** One call, one commit: the answers in the order of the questions. */
export async function allocateSeats(queries: Queries, asks: readonly Ask[]): Promise<Reply[]> {
  const rows = await queries.many(allocate, [
    asks.map((ask) => ask.reservationId),
    asks.map((ask) => ask.experienceId),
    asks.map((ask) => ask.timeSlotId),
    asks.map((ask) => Math.min(ask.guests, largestInt)),
  ])
  const slots = new Map<string, Snapshot>()
  const replies = rows.map((row) => {
    if (row.slot_id && row.slot && row.experience)
      slots.set(row.slot_id, { slot: row.slot, experience: row.experience })
    return replyOf(row, slots)
  })
  return askAgain(queries, asks, replies)
}

/**
 * Slots are locked from admission to answer, experiences are not: one whose limit was raised, or that was offered again, in
 * between makes a party seem too large for seats that are there.
 */
async function askAgain(queries: Queries, asks: readonly Ask[], replies: readonly Reply[]): Promise<Reply[]> {
  const isWrong = (reply: Reply | undefined, { guests }: Ask) =>
    reply?.outcome === 'not_enough_capacity' && reply.available >= guests
  const wronged = asks.filter((ask, n) => isWrong(replies[n], ask))
  if (wronged.length === 0) return [...replies]
  const again = await allocateSeats(queries, wronged)
  return replies.map((reply, n) => again[wronged.indexOf(asks[n] as Ask)] ?? reply)
}

/** A slot and its experience come once, with the first row that is about them. */
interface Snapshot {
  readonly slot: AsJson<TimeSlotRow>
  readonly experience: AsJson<ExperienceRow>
}

function replyOf(row: Row, slots: ReadonlyMap<string, Snapshot>): Reply {
  switch (row.outcome) {
    case 'allocated':
      return allocatedReply(row, slots.get(row.slot_id ?? ''))
    case 'not_enough_capacity':
      return { outcome: row.outcome, available: row.available ?? 0 }
    case 'too_many_guests':
      return { outcome: row.outcome, maxGuests: row.max_guests ?? 0 }
    case 'slot_not_found':
    case 'slot_not_available':
    case 'released':
      return { outcome: row.outcome }
  }
}

/** With the terms of the allocation, not those of today: asked again, it answers as the first time. */
function allocatedReply(row: Row, snapshot: Snapshot | undefined): Reply {
  const { guests, price_per_guest: pricePerGuest, discounts, starts_at, allocated_at, hold_seconds } = row
  if (!snapshot || !guests || pricePerGuest === null || !discounts || !starts_at || !allocated_at || !hold_seconds)
    throw new Error('an allocation came without its slot or its terms')
  const terms = { pricePerGuest, discounts, startsAt: starts_at.getTime(), allocatedAt: allocated_at.getTime() }
  return {
    outcome: 'allocated',
    price: priceOf(terms, guests),
    experience: { ...experienceOf(snapshot.experience), discounts, holdSeconds: hold_seconds },
    timeSlot: { ...timeSlotOf(snapshot.slot, snapshot.experience), pricePerGuest },
  }
}
