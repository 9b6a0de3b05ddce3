import { randomUUID } from 'node:crypto'
import { type Message, typeOf } from '@holdfast/contracts/message'
import { SeatsConfirmed, SeatsReacquired, SeatsRefused, SeatsReleased } from '@holdfast/contracts/messages/inventory'
import { statement } from '@holdfast/db/database'
import type { Handler } from '@holdfast/messaging/handler'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { allocateSeats } from './allocate.ts'
import { onConfirmSeats } from './confirm-seats.ts'
import { onReacquireSeats } from './reacquire-seats.ts'
import { onReleaseSeats } from './release-seats.ts'
import { newSlot, type OpenTestDatabase, openTestDatabase, seatsOf, silent } from './testing.ts'

let open: OpenTestDatabase
beforeAll(async () => {
  open = await openTestDatabase()
})
afterAll(() => open.close())

const confirm = onConfirmSeats(silent)
const release = onReleaseSeats(silent)
const reacquire = onReacquireSeats()

interface Booking {
  readonly reservationId: string
  readonly experienceId: string
  readonly timeSlotId: string
  readonly guests: number
}

/** The handler, in a transaction as a message would run it; the types of what it says. */
async function tell(handler: Handler, booking: Booking): Promise<string[]> {
  return open.database.transaction(async (tx) => {
    const said: Message[] = []
    await handler.handle(booking, { ...tx, say: (...messages) => said.push(...messages) })
    return said.map((message) => typeOf(message.definition))
  })
}

const confirmed = [typeOf(SeatsConfirmed)]
const released = [typeOf(SeatsReleased)]
const reacquired = [typeOf(SeatsReacquired)]
const refused = [typeOf(SeatsRefused)]

/** Two seats of a slot, brought to where a test begins. `full`: then others take what is left. */
async function booking(
  state: 'unknown' | 'held' | 'booked' | 'released' | 'tombstone',
  options: { full?: boolean } = {},
) {
  const { database } = open
  const slot = await newSlot(database, { capacity: 5 })
  const wanted = { reservationId: randomUUID(), experienceId: slot.experienceId, timeSlotId: slot.id, guests: 2 }
  if (state !== 'unknown' && state !== 'tombstone') await allocateSeats(database, [wanted])
  if (state === 'booked') await tell(confirm, wanted)
  if (state === 'released' || state === 'tombstone') await tell(release, wanted)
  if (options.full) {
    const { held, booked } = await seatsOf(database, slot.id)
    await allocateSeats(database, [{ ...wanted, reservationId: randomUUID(), guests: 5 - held - booked }])
  }
  const before = await seatsOf(database, slot.id)
  /** The seats this booking has taken since. */
  const change = async () => {
    const now = await seatsOf(database, slot.id)
    return { held: now.held - before.held, booked: now.booked - before.booked }
  }
  return { wanted, change, slot }
}

const nothing = { held: 0, booked: 0 }
const set = (text: string) => statement(`t.${randomUUID()}`, text)

describe('confirming', () => {
  test.each([
    ['held seats books them', 'held', {}, confirmed, { held: -2, booked: 2 }],
    ['booked seats changes nothing', 'booked', {}, confirmed, nothing],
    ['released seats takes them again while they are free', 'released', {}, confirmed, { held: 0, booked: 2 }],
    ['released seats that others have is refused', 'released', { full: true }, refused, nothing],
    ['seats nobody knows is refused', 'unknown', {}, refused, nothing],
    ['seats of a reservation that was over first is refused', 'tombstone', {}, refused, nothing],
  ] as const)('%s, and says so each time', async (_, state, options, answer, moved) => {
    const { wanted, change } = await booking(state, options)
    for (const _again of [1, 2]) {
      expect(await tell(confirm, wanted)).toEqual(answer)
      expect(await change()).toEqual(moved)
    }
  })
})

describe('releasing', () => {
  test.each([
    ['held seats frees them', 'held', { held: -2, booked: 0 }],
    ['released seats changes nothing', 'released', nothing],
    ['paid seats keeps them', 'booked', nothing],
    ['seats nobody knows changes nothing', 'unknown', nothing],
    ['them twice before they were ever allocated changes nothing', 'tombstone', nothing],
  ] as const)('%s, and is answered each time', async (_, state, moved) => {
    const { wanted, change } = await booking(state)
    for (const _again of [1, 2]) {
      expect(await tell(release, wanted)).toEqual(released)
      expect(await change()).toEqual(moved)
    }
  })

  test.each(['held', 'unknown'] as const)('%s seats, they can’t be allocated afterwards', async (state) => {
    const { wanted } = await booking(state)
    await tell(release, wanted)
    expect(await allocateSeats(open.database, [wanted])).toEqual([{ outcome: 'released' }])
  })
})

describe('taking seats again', () => {
  test.each([
    ['that are free', 'released', {}, reacquired, { held: 0, booked: 2 }],
    ['that others have', 'released', { full: true }, refused, nothing],
    ['that are still held', 'held', { full: true }, reacquired, { held: -2, booked: 2 }],
    ['that are booked', 'booked', { full: true }, reacquired, nothing],
    ['that were never allocated', 'unknown', {}, reacquired, { held: 0, booked: 2 }],
    ['that were never allocated, of a full slot', 'unknown', { full: true }, refused, nothing],
    ['that were released before they were allocated', 'tombstone', {}, reacquired, { held: 0, booked: 2 }],
  ] as const)('%s', async (_, state, options, answer, moved) => {
    const { wanted, change } = await booking(state, options)
    for (const _again of [1, 2]) {
      expect(await tell(reacquire, wanted)).toEqual(answer)
      expect(await change()).toEqual(moved)
    }
  })

  test('of a slot that was closed works, of one that has begun it does not', async () => {
    const [closed, begun] = [await booking('released'), await booking('released')]
    await open.database.run(set(`update time_slot set status = 'closed' where id = $1`), [closed.slot.id])
    await open.database.run(set(`update time_slot set starts_at = now() - interval '1 second' where id = $1`), [
      begun.slot.id,
    ])
    expect(await tell(reacquire, closed.wanted)).toEqual(reacquired)
    expect(await tell(reacquire, begun.wanted)).toEqual(refused)
  })

  test('of a slot that does not exist, or has not that many, is refused', async () => {
    const { wanted } = await booking('unknown')
    const asked = () => ({ ...wanted, reservationId: randomUUID() })
    expect(await tell(reacquire, { ...asked(), timeSlotId: randomUUID() })).toEqual(refused)
    expect(await tell(reacquire, { ...asked(), experienceId: randomUUID() })).toEqual(refused)
    expect(await tell(reacquire, { ...asked(), guests: Number.MAX_SAFE_INTEGER })).toEqual(refused)
  })

  test('overtakes the release it follows, and is not undone by it', async () => {
    const { wanted, change } = await booking('held')
    await tell(reacquire, wanted)
    expect(await tell(release, wanted)).toEqual(released)
    expect(await change()).toEqual({ held: -2, booked: 2 })
  })
})

test('seats of a slot that somebody has deleted end in an error, and not in asking for ever', async () => {
  const { wanted } = await booking('held')
  await open.database.run(statement('test.delete-slot', 'delete from time_slot where id = $1'), [wanted.timeSlotId])
  await expect(tell(release, wanted)).rejects.toThrow('is missing')
})

test('everything at once to the same few reservations leaves the sums as the allocations say', async () => {
  const { database } = open
  const slots = [await newSlot(database, { capacity: 12 }), await newSlot(database, { capacity: 7 })]
  const wanted = Array.from({ length: 12 }, (_, i) => {
    const slot = slots[i % 2] ?? { id: '', experienceId: '' }
    return { reservationId: randomUUID(), experienceId: slot.experienceId, timeSlotId: slot.id, guests: 1 + (i % 3) }
  })
  const work = wanted.flatMap((one) => [
    () => allocateSeats(database, [one]),
    () => tell(release, one),
    () => tell(reacquire, one),
    () => tell(confirm, one),
    () => allocateSeats(database, wanted),
  ])
  await Promise.all(work.map(async (run) => void (await run())))
  const sums = await database.many(
    statement<{ same: boolean }>(
      't.sums',
      `select s.held = coalesce(sum(a.guests) filter (where a.state = 'held'), 0)
         and s.booked = coalesce(sum(a.guests) filter (where a.state = 'booked'), 0) as same
       from time_slot s left join allocation a on a.time_slot_id = s.id where s.id = any($1) group by s.id`,
    ),
    [slots.map((slot) => slot.id)],
  )
  expect(sums).toEqual([{ same: true }, { same: true }])
})
