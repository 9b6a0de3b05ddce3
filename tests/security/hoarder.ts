import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, expect, test } from '@jest/globals'
import pg from 'pg'
import { type Answer, type Api, apiAt } from '../support/api.ts'
import { anOffer, aUser, holdBody, type Offer, untilSeats } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { urlOf } from './surroundings.ts'

/** What the stack of these tests is told. */
export const mostHolds = 5

/** Nobody holds more of a slot than one may, however many requests, keys and instances it is tried with. */
export function hoarder(stack: TestStack): void {
  let guest: string
  let offer: Offer
  let instances: readonly Api[]
  beforeEach(async () => {
    guest = aUser()
    offer = await anOffer(stack, { slot: { capacity: 1_000 } })
    // Each asked by its own address, so that both are sure to be asked.
    instances = ['reservation', 'reservation-2'].map((name) => apiAt(urlOf(stack, name), stack.token))
    await stack.token(guest)
  })
  const hold = (nth: number, as = guest, key: string = randomUUID()) => {
    const body = holdBody(offer, { numberOfGuests: 1 })
    return api(nth).call(reservations.createHold, { as, body, key })
  }
  const api = (nth: number) => instances[nth % instances.length] as Api
  const many = <T>(count: number, make: (nth: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, nth) => make(nth)))
  const held = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200)
  const idOf = ({ body }: Answer) => (body as { reservation: { id: string } }).reservation.id
  const refusal = {
    error: 'TIME_SLOT_NOT_AVAILABLE',
    message: 'You hold too many places of this time slot already',
    details: { limit: mostHolds },
    requestId: expect.any(String),
  }
  const expectRefused = (answers: readonly Answer[]) => {
    for (const { status, body } of answers) expect({ status, body }).toEqual({ status: 400, body: refusal })
  }

  test('of a hundred requests at once through two instances, exactly as many become holds as one may have', async () => {
    const answers = await whileNobodyWrites(stack, async (release) => {
      const asked = many(100, (nth) => hold(nth))
      // All of them have looked, found a place, and been given seats; both instances stand before their insert.
      await untilSeats(stack, offer.timeSlotId, { held: 100, booked: 0 })
      await release()
      return asked
    })
    expect(held(answers)).toHaveLength(mostHolds)
    expectRefused(answers.filter(({ status }) => status !== 200))
    const sql = `select id from reservation where time_slot_id = $1 and status = 'held'`
    expect(await stack.rows('reservation', sql, [offer.timeSlotId])).toHaveLength(mostHolds)
    // What was allocated to the others meanwhile is free again, and not only when an audit finds it.
    await untilSeats(stack, offer.timeSlotId, { held: mostHolds, booked: 0 })
  })

  test('a place that is given up may be taken again, by one of those who try', async () => {
    const [first] = held(await many(20, (nth) => hold(nth)))
    await api(0).ok(reservations.releaseHold, { as: guest, params: { id: idOf(first as Answer) } })
    expect(held(await many(20, (nth) => hold(nth)))).toHaveLength(1)
    await untilSeats(stack, offer.timeSlotId, { held: mostHolds, booked: 0 })
  })

  test('a key means one thing on both instances: what was refused stays refused', async () => {
    const keys = Array.from({ length: 20 }, () => randomUUID())
    const settled = (nth: number) =>
      eventually('the key is not in use any more', async () => {
        const answer = await hold(nth, guest, keys[nth >> 1])
        return answer.status !== 409 && answer
      })
    const answers = await many(40, settled)
    expect(held(answers)).toHaveLength(2 * mostHolds)
    for (let pair = 0; pair < 20; pair += 1) expect(answers[2 * pair]?.body).toEqual(answers[2 * pair + 1]?.body)
    const ids = new Set(held(answers).map(idOf))
    expect(ids.size).toBe(mostHolds)
    await untilSeats(stack, offer.timeSlotId, { held: mostHolds, booked: 0 })
    for (const id of ids) await api(0).ok(reservations.releaseHold, { as: guest, params: { id } })
    const later = await many(20, (nth) => hold(nth, guest, keys[nth]))
    expect(later.map(({ body }) => body)).toEqual(keys.map((_, nth) => answers[2 * nth]?.body))
    for (const { headers } of later) expect(headers.get('idempotent-replayed')).toBe('true')
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 0 })
  })

  test('nobody is refused for what somebody else holds, even in the same moment', async () => {
    const guests = Array.from({ length: 6 }, aUser)
    for (const each of guests) await stack.token(each)
    const answers = await many(120, (nth) => hold(nth, guests[nth % 6] as string))
    for (const each of guests.keys()) expect(held(answers.filter((_, nth) => nth % 6 === each))).toHaveLength(mostHolds)
    await untilSeats(stack, offer.timeSlotId, { held: 6 * mostHolds, booked: 0 })
  })

  test('nor for what one holds of another slot', async () => {
    expect(held(await many(10, (nth) => hold(nth)))).toHaveLength(mostHolds)
    offer = await anOffer(stack)
    expect((await hold(0)).body).toMatchObject({ reservation: { status: 'held' } })
  })
}

/** Reservations can be read and not written until `release` is called, when two instances have come to write. */
async function whileNobodyWrites<T>(stack: TestStack, work: (release: () => Promise<void>) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: stack.running.stack.databases.reservation })
  await client.connect()
  try {
    await client.query('begin')
    await client.query('lock table reservation in share mode')
    return await work(async () => {
      const sql = `select 1 from pg_locks where relation = 'reservation'::regclass and not granted`
      await eventually('two instances wait', async () => (await stack.rows('reservation', sql)).length >= 2)
      await client.query('commit')
    })
  } finally {
    await client.end()
  }
}
