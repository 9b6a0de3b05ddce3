import { randomUUID } from 'node:crypto'
import { send } from '@holdfast/contracts/message'
import {
  AllocateSeats,
  ConfirmSeats,
  ReacquireSeats,
  ReleaseSeats,
  SeatsConfirmed,
  SeatsReacquired,
  SeatsRefused,
  SeatsReleased,
} from '@holdfast/contracts/messages/inventory'
import { AuditAllocations } from '@holdfast/contracts/messages/reservation'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { answer, on } from '@holdfast/messaging/handler'
import { type Messaging, messagingMigrations, openMessaging } from '@holdfast/messaging/messaging'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { newSlot, type RunningInventory, seatsOf, silent, startTestInventory } from './testing.ts'

let inventory: RunningInventory
let second: { stop(): Promise<void> }
/** Stands where reservation stands. */
let reservation: { messaging: Messaging; database: Database; store: TestDatabase }
const heard = new Map<string, string[]>()
/** What the stand-in answers an audit: who is to be released. Also: whom it was asked about. */
const over = new Set<string>()
const asked: string[] = []

beforeAll(async () => {
  // Audits are made to be quick; the hold itself is one second in the tests that need it over.
  inventory = await startTestInventory({ ALLOCATION_AUDIT_SECONDS: '0.2', ALLOCATION_GRACE_SECONDS: '0.5' })
  second = await inventory.another()
  const store = await createTestDatabase([messagingMigrations])
  const database = openDatabase(store.url, { poolSize: 5, applicationName: 'reservation', logger: silent })
  const urls = [inventory.brokerUrl]
  const messaging = openMessaging({ service: 'reservation', instance: 'reservation', urls, database, logger: silent })
  const hear = (definition: typeof SeatsConfirmed, name: string) =>
    on(definition, async ({ reservationId }) => {
      heard.set(reservationId, [...(heard.get(reservationId) ?? []), name])
    })
  messaging.listen({
    handlers: [
      hear(SeatsConfirmed, 'confirmed'),
      hear(SeatsReleased, 'released'),
      hear(SeatsReacquired, 'reacquired'),
      hear(SeatsRefused, 'refused'),
    ],
    answers: [
      answer(AuditAllocations, async ({ reservationIds }) => {
        asked.push(...reservationIds)
        return { release: reservationIds.filter((id) => over.has(id)) }
      }),
    ],
  })
  reservation = { messaging, database, store }
  await eventually('both are connected', async () => {
    const ready = await Promise.all([messaging.connected(), inventory.call('GET', '/health/ready')])
    return ready[0] && ready[1].status === 200
  })
})
afterAll(async () => {
  await reservation.messaging.stop()
  await reservation.database.close()
  await inventory.close()
  await reservation.store.drop()
})

type Slot = Awaited<ReturnType<typeof newSlot>>
const askFor = (slot: Slot, guests = 1) => ({
  reservationId: randomUUID(),
  experienceId: slot.experienceId,
  timeSlotId: slot.id,
  guests,
})
type Booking = ReturnType<typeof askFor>
const allocate = (booking: Booking) => reservation.messaging.ask(AllocateSeats, booking)
const say = (...messages: Parameters<Parameters<Parameters<Messaging['transact']>[0]>[0]['say']>) =>
  reservation.messaging.transact(async (tx) => tx.say(...messages))
const told = ({ reservationId }: Booking, ...names: string[]) =>
  eventually(`the seats are ${names.join(' and ')}`, async () =>
    names.every((name) => heard.get(reservationId)?.includes(name)),
  )

describe('a reservation', () => {
  test('asks for seats, pays, and has them', async () => {
    const slot = await newSlot(inventory.database)
    const booking = askFor(slot, 2)
    expect(await allocate(booking)).toMatchObject({ outcome: 'allocated', price: { totalPrice: 20_000 } })
    await say(send(ConfirmSeats, { reservationId: booking.reservationId }))
    await told(booking, 'confirmed')
    expect(await seatsOf(inventory.database, slot.id)).toEqual({ held: 0, booked: 2 })
  })

  test('that is over gives its seats back, and gets them again when its money comes late', async () => {
    const slot = await newSlot(inventory.database)
    const booking = askFor(slot, 2)
    await allocate(booking)
    await say(send(ReleaseSeats, { reservationId: booking.reservationId }))
    await told(booking, 'released')
    expect(await seatsOf(inventory.database, slot.id)).toEqual({ held: 0, booked: 0 })
    expect(await allocate(booking)).toEqual({ outcome: 'released' })
    await say(send(ReacquireSeats, booking))
    await told(booking, 'reacquired')
    expect(await seatsOf(inventory.database, slot.id)).toEqual({ held: 0, booked: 2 })
  })

  test('that is over before its question arrives finds its seats released', async () => {
    const booking = askFor(await newSlot(inventory.database))
    await say(send(ReleaseSeats, { reservationId: booking.reservationId }))
    await told(booking, 'released')
    expect(await allocate(booking)).toEqual({ outcome: 'released' })
  })
})

test('200 guests at two instances get exactly the seats that are left', async () => {
  const slot = await newSlot(inventory.database, { capacity: 30 })
  const replies = await Promise.all(Array.from({ length: 200 }, () => allocate(askFor(slot))))
  const count = (outcome: string) => replies.filter((reply) => reply.outcome === outcome).length
  expect([count('allocated'), count('slot_not_available')]).toEqual([30, 170])
  expect(await seatsOf(inventory.database, slot.id)).toEqual({ held: 30, booked: 0 })
})

test('instances that release, take and confirm the same seats at once lose none and sell none twice', async () => {
  const slot = await newSlot(inventory.database, { capacity: 40 })
  const bookings = Array.from({ length: 60 }, () => askFor(slot))
  const replies = await Promise.all(bookings.map(allocate))
  const allocated = bookings.filter((_, i) => replies[i]?.outcome === 'allocated')
  const messages = allocated.flatMap((booking, i) => [
    send(ReleaseSeats, { reservationId: booking.reservationId }),
    ...(i % 2 === 0 ? [send(ReacquireSeats, booking)] : []),
  ])
  await say(...messages)
  await Promise.all(allocated.map((booking, i) => told(booking, 'released', ...(i % 2 === 0 ? ['reacquired'] : []))))
  expect(await seatsOf(inventory.database, slot.id)).toEqual({ held: 0, booked: 20 })
})

describe('the audit', () => {
  const brief = { experience: { holdSeconds: 1 } }

  test('frees seats whose reservation never came to be', async () => {
    const slot = await newSlot(inventory.database, brief)
    const booking = askFor(slot, 3)
    over.add(booking.reservationId)
    await allocate(booking)
    await eventually('the seats are free', async () => (await seatsOf(inventory.database, slot.id)).held === 0)
    expect(await allocate(booking)).toEqual({ outcome: 'released' })
  })

  test('frees the others’ seats where one reservation’s cannot be freed', async () => {
    const [wrong, right] = [await newSlot(inventory.database, brief), await newSlot(inventory.database, brief)]
    const bookings = [askFor(wrong, 2), ...Array.from({ length: 5 }, () => askFor(right))]
    const spoil = statement('t.spoil', 'update time_slot set held = 1 where id = $1')
    for (const booking of bookings) await allocate(booking)
    // Less than its allocation: the check refuses to take two of it.
    await inventory.database.run(spoil, [wrong.id])
    for (const { reservationId } of bookings) over.add(reservationId)
    await eventually('the others’ seats are free', async () => (await seatsOf(inventory.database, right.id)).held === 0)
    expect(await seatsOf(inventory.database, wrong.id)).toEqual({ held: 1, booked: 0 })
    over.delete(bookings[0]?.reservationId ?? '')
  })

  test('keeps the seats of a payment that takes long, and does not ask about it every round', async () => {
    const slot = await newSlot(inventory.database, brief)
    const booking = askFor(slot, 3)
    await allocate(booking)
    const postponed = statement<{ later: boolean }>(
      't.postponed',
      `select audits = 1 and audit_at > now() + interval '20 seconds' as later from allocation where reservation_id = $1`,
    )
    await eventually('it was asked about', async () => {
      const { later } = await inventory.database.one(postponed, [booking.reservationId])
      return later
    })
    expect(asked.filter((id) => id === booking.reservationId)).toHaveLength(1)
    expect(await seatsOf(inventory.database, slot.id)).toEqual({ held: 3, booked: 0 })
  })

  test('asks about nobody whose hold is still running, or who has paid', async () => {
    const [slot, short] = [await newSlot(inventory.database), await newSlot(inventory.database, brief)]
    const [running, paid, suspicious] = [askFor(slot), askFor(short), askFor(short)]
    for (const booking of [running, paid, suspicious]) await allocate(booking)
    await say(send(ConfirmSeats, { reservationId: paid.reservationId }))
    await told(paid, 'confirmed')
    await eventually('the other one was asked about', async () => asked.includes(suspicious.reservationId))
    expect(asked).not.toContain(running.reservationId)
    expect(asked).not.toContain(paid.reservationId)
  })
})

test('an instance that stops finishes what it has, and the other goes on', async () => {
  const slot = await newSlot(inventory.database, { capacity: 100 })
  const answers = Promise.all(Array.from({ length: 100 }, () => allocate(askFor(slot))))
  await second.stop()
  expect(new Set((await answers).map((reply) => reply.outcome))).toEqual(new Set(['allocated']))
  expect(await allocate(askFor(slot))).toEqual({ outcome: 'slot_not_available' })
})
