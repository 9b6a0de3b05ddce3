import { randomUUID } from 'node:crypto'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Ask, allocateSeats, createAllocator, type Reply } from './allocate.ts'
import { newSlot, type OpenTestDatabase, openTestDatabase, seatsOf, silent } from './testing.ts'
import { admit } from './time-slot.ts'

let open: OpenTestDatabase
beforeAll(async () => {
  open = await openTestDatabase()
})
afterAll(() => open.close())

type Slot = { id: string; experienceId: string }
const askFor = (slot: Slot, guests: number, reservationId: string = randomUUID()): Ask => ({
  reservationId,
  experienceId: slot.experienceId,
  timeSlotId: slot.id,
  guests,
})
const outcomes = (replies: readonly { outcome: string }[]) => replies.map((reply) => reply.outcome)
const allocateOne = async (ask: Ask) => (await allocateSeats(open.database, [ask]))[0]

describe('asking for seats', () => {
  test('takes them, and tells the price, the experience and the slot as they are now', async () => {
    const slot = await newSlot(open.database, {
      capacity: 8,
      experience: {
        discounts: [
          { type: 'group_5_plus', kind: 'group', minGuests: 2, percent: 15 },
          { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
        ],
      },
    })
    expect(await allocateOne(askFor(slot, 2))).toMatchObject({
      outcome: 'allocated',
      price: {
        originalPrice: 20_000,
        discountApplied: 5_000,
        totalPrice: 15_000,
        appliedDiscounts: {
          groupDiscount: { amount: 3_000, type: 'group_5_plus' },
          earlyBirdDiscount: { amount: 2_000, type: 'early_bird' },
          totalDiscount: 5_000,
        },
      },
      experience: { id: slot.experienceId, title: 'Sunrise paddle', holdSeconds: 900, maxGuests: null },
      timeSlot: { id: slot.id, capacity: 8, held: 2, booked: 0, available: 6, pricePerGuest: 10_000, currency: 'eur' },
    })
    expect(await seatsOf(open.database, slot.id)).toEqual({ held: 2, booked: 0 })
  })

  test('again answers as the first time, whatever has changed in between, and takes nothing more', async () => {
    const slot = await newSlot(open.database)
    const ask = askFor(slot, 3)
    const first = await allocateOne(ask)
    await open.database.run(statement('t.dearer', 'update experience set price_per_guest = 99999 where id = $1'), [
      slot.experienceId,
    ])
    await open.database.run(statement('t.close', `update time_slot set status = 'closed' where id = $1`), [slot.id])
    const again = await allocateOne(ask)
    expect(again).toMatchObject({
      outcome: 'allocated',
      price: (first as { price: object }).price,
      timeSlot: { pricePerGuest: 10_000 },
    })
    expect(await seatsOf(open.database, slot.id)).toEqual({ held: 3, booked: 0 })
  })

  test('twice in one batch counts once', async () => {
    const slot = await newSlot(open.database, { capacity: 3 })
    const twice = askFor(slot, 2)
    const replies = await allocateSeats(open.database, [twice, twice, askFor(slot, 1)])
    expect(outcomes(replies)).toEqual(['allocated', 'allocated', 'allocated'])
    expect(await seatsOf(open.database, slot.id)).toEqual({ held: 3, booked: 0 })
  })

  test('a slot’s own price stands instead of its experience’s', async () => {
    const slot = await newSlot(open.database, { pricePerGuest: 0 })
    expect(await allocateOne(askFor(slot, 2))).toMatchObject({
      price: { originalPrice: 0, totalPrice: 0 },
      timeSlot: { pricePerGuest: 0 },
      experience: { pricePerGuest: 10_000 },
    })
  })
})

test('each party gets its own verdict, and none spoils the batch of the others', async () => {
  const { database } = open
  const good = await newSlot(database, { capacity: 5 })
  const closed = await newSlot(database, { status: 'closed' })
  const begun = await newSlot(database, { startsInDays: -1 })
  const archived = await newSlot(database, { experience: { status: 'archived' } })
  const small = await newSlot(database, { experience: { maxGuests: 4 } })
  const [full, released] = [await newSlot(database, { capacity: 1 }), randomUUID()]
  await allocateOne(askFor(full, 1))
  await database.run(
    statement('t.gone', `insert into allocation (reservation_id, state, audit_at) values ($1, 'released', now())`),
    [released],
  )
  const asks: [Ask, object][] = [
    [askFor(good, 4), { outcome: 'allocated' }],
    [askFor({ id: randomUUID(), experienceId: good.experienceId }, 1), { outcome: 'slot_not_found' }],
    [askFor({ id: good.id, experienceId: closed.experienceId }, 1), { outcome: 'slot_not_found' }],
    [askFor({ id: good.id, experienceId: randomUUID() }, 1), { outcome: 'slot_not_found' }],
    [askFor(closed, 1), { outcome: 'slot_not_available' }],
    [askFor(begun, 1), { outcome: 'slot_not_available' }],
    [askFor(archived, 1), { outcome: 'slot_not_available' }],
    [askFor(small, 5), { outcome: 'too_many_guests', maxGuests: 4 }],
    [askFor(small, 4), { outcome: 'allocated' }],
    [askFor(full, 1), { outcome: 'slot_not_available' }],
    [askFor(good, Number.MAX_SAFE_INTEGER), { outcome: 'not_enough_capacity', available: 1 }],
    [askFor(good, 2), { outcome: 'not_enough_capacity', available: 1 }],
    [askFor(good, 1, released), { outcome: 'released' }],
  ]
  const replies = await allocateSeats(
    database,
    asks.map(([ask]) => ask),
  )
  expect(replies).toEqual(asks.map(([, verdict]) => expect.objectContaining(verdict)))
})

describe('a crowd', () => {
  test('of 200 for the last 20 seats gets exactly 20, first come, first served', async () => {
    const slot = await newSlot(open.database, { capacity: 20 })
    const allocate = createAllocator(open.database, silent)
    const replies = await Promise.all(Array.from({ length: 200 }, () => allocate(askFor(slot, 1))))
    const taken = Array.from({ length: 20 }, () => 'allocated')
    expect(outcomes(replies)).toEqual([...taken, ...Array.from({ length: 180 }, () => 'slot_not_available')])
    expect(await seatsOf(open.database, slot.id)).toEqual({ held: 20, booked: 0 })
  })

  test('at several instances and slots at once never oversells, and leaves no seat that somebody wanted', async () => {
    const slots = await Promise.all([17, 31, 50].map((capacity) => newSlot(open.database, { capacity })))
    const instances = [1, 2, 3].map(() => createAllocator(open.database, silent))
    const asks = Array.from({ length: 600 }, (_, i) => askFor(slots[i % 3] as Slot, 1 + (i % 2)))
    // Every party asks two instances: the seats are counted once.
    const both = await Promise.all(
      asks.flatMap((ask, i) => [0, 1].map((n) => (instances[(i + n) % 3] as (typeof instances)[0])(ask))),
    )
    for (const [i, ask] of asks.entries()) {
      const [one, other] = [both[2 * i], both[2 * i + 1]]
      if (one?.outcome === 'allocated') expect({ ask, ...other }).toMatchObject({ outcome: 'allocated' })
    }
    const seats = await Promise.all(slots.map((slot) => seatsOf(open.database, slot.id)))
    expect(seats).toEqual([17, 31, 50].map((held) => ({ held, booked: 0 })))
  })
})

test('nobody is told that there is too little of what there is enough of, when the experience changes meanwhile', async () => {
  const slot = await newSlot(open.database, { experience: { maxGuests: 4 } })
  const [first, large] = [askFor(slot, 1), askFor(slot, 5)]
  const tombstone = statement(
    't.tombstone',
    `insert into allocation (reservation_id, state, audit_at) values ($1, 'released', now())`,
  )
  const waiting = statement<{ waits: boolean }>(
    't.waiting',
    `select exists (
       select from pg_stat_activity where query like '%from allocate_seats(%' and wait_event_type = 'Lock'
     ) as waits`,
  )
  const larger = statement('t.larger', 'update experience set max_guests = 6 where id = $1')
  const undone = new Error('undone')
  let replies: Promise<Reply[]> | undefined
  const other = open.database.transaction(async (tx) => {
    await tx.run(tombstone, [first.reservationId])
    // The large party has been turned away when the first one waits to see what becomes of the tombstone.
    replies = allocateSeats(open.database, [first, large])
    await eventually('it waits', async () => (await open.database.one(waiting)).waits)
    await open.database.run(larger, [slot.experienceId])
    throw undone
  })
  await expect(other).rejects.toBe(undone)
  expect(outcomes((await replies) ?? [])).toEqual(['allocated', 'allocated'])
})

test('the statement admits exactly whom the pure rule admits, whatever is asked in whatever order', async () => {
  const parties = fc.array(fc.record({ slot: fc.nat(2), guests: fc.integer({ min: 1, max: 9 }) }), { maxLength: 60 })
  const capacities = fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 1, max: 40 })))
  await fc.assert(
    fc.asyncProperty(capacities, fc.array(parties, { minLength: 1, maxLength: 3 }), async (sizes, batches) => {
      const slots = await Promise.all(sizes.map((capacity) => newSlot(open.database, { capacity })))
      const seats = sizes.map((capacity) => ({ capacity, held: 0, booked: 0 }))
      for (const batch of batches) {
        const replies = await allocateSeats(
          open.database,
          batch.map(({ slot, guests }) => askFor(slots[slot] as Slot, guests)),
        )
        for (const [n, slot] of seats.entries()) {
          const mine = batch.map((party, i) => ({ ...party, reply: replies[i] })).filter((party) => party.slot === n)
          const expected = admit(
            slot,
            mine.map((party) => party.guests),
          )
          expect(mine.map(({ reply }) => reply)).toEqual(expected.map((verdict) => expect.objectContaining(verdict)))
          slot.held += mine.reduce((sum, { guests }, i) => sum + (expected[i]?.outcome === 'allocated' ? guests : 0), 0)
          expect(await seatsOf(open.database, slots[n]?.id ?? '')).toEqual({ held: slot.held, booked: 0 })
        }
      }
    }),
    { numRuns: 60 },
  )
})
