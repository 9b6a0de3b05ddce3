import { expect, test } from '@jest/globals'
import { type Diary, openDiary } from './diary.ts'
import { breachesOf } from './promises.ts'
import type { IntentTruth, ReservationTruth, SlotTruth, Truth } from './truth.ts'

/** Each way in which a run can have gone wrong is seen, or a run that finds nothing proves nothing. */

const confirmed: ReservationTruth = {
  ...{ id: 'r1', user: 'u1', status: 'confirmed', paymentStatus: 'paid', seats: 'booked', guests: 2, timeSlotId: 's1' },
  ...{ totalPrice: 20_000, reference: 'ABC123DEF456', outcome: null },
}
const expired = { ...confirmed, status: 'expired', seats: 'released', reference: null }
const paid: IntentTruth = { id: 'pi_1', status: 'succeeded', received: 20_000, refunds: [] }
const refunded = { ...paid, refunds: [20_000] }
const slot: SlotTruth = { id: 's1', capacity: 4, held: 0, booked: 2, allocatedHeld: 0, allocatedBooked: 2 }
const empty = { ...slot, booked: 0, allocatedBooked: 0 }

interface Situation {
  readonly reservations?: readonly ReservationTruth[]
  readonly intents?: readonly IntentTruth[]
  readonly slot?: SlotTruth
  readonly diary?: Partial<Diary>
  readonly truth?: Partial<Truth>
}

function breaches({ reservations = [confirmed], intents = [paid], slot: one = slot, diary, truth }: Situation) {
  const whole: Truth = {
    reservations: new Map(reservations.map((reservation) => [reservation.id, reservation])),
    slots: [one],
    intents: new Map([['r1', intents]]),
    ...{ undone: [], outboxes: 0, ...truth },
  }
  const told: Diary = { ...openDiary('pays', 'guest'), holdId: 'r1', ...diary }
  return breachesOf(whole, [told]).map(({ harm, subject, what }) => `${harm} ${subject}: ${what}`)
}

test.each<[string, Situation]>([
  ['paid and confirmed', {}],
  ['never paid, and over', { reservations: [expired], intents: [{ ...paid, status: 'canceled' }], slot: empty }],
  ['paid too late, and given back', { reservations: [expired], intents: [refunded], slot: empty }],
  ['paid twice, and one of them given back', { intents: [paid, { ...refunded, id: 'pi_2' }] }],
  ['refused, and told so', { reservations: [], intents: [], slot: empty, diary: { holdId: undefined } as never }],
])('as promised: %s', (_situation, given) => {
  expect(breaches(given)).toEqual([])
})

const guestWas = (what: string) => expect.stringMatching(`^lost r1: the guest ${what}`)

test.each<[string, Situation, unknown]>([
  ['a hold that was given', { reservations: [], slot: empty, intents: [] }, guestWas('was told that it is held')],
  [
    'a confirmation',
    { reservations: [expired], intents: [refunded], slot: empty, diary: { confirmed: {} } },
    guestWas('was told that it is confirmed'),
  ],
  ['a reference', { diary: { confirmed: { reference: 'OTHER' } } }, guestWas('was told OTHER')],
  ['a cancellation', { diary: { cancelled: true } }, guestWas('was told that it is cancelled')],
  ['a payment', { intents: [paid], diary: { paid: new Set(['pi_2']) } }, guestWas('paid pi_2')],
  ['an intent', { diary: { intentIds: new Set(['pi_2']) } }, expect.stringMatching('^lost r1: was given pi_2')],
  [
    'money without a seat',
    { reservations: [expired], slot: empty },
    expect.stringMatching('^lost r1: expired, and its money was kept'),
  ],
  ['a seat without money', { intents: [] }, 'lost r1: confirmed, and nothing was paid for it'],
  [
    'money of nobody',
    { reservations: [], slot: empty, diary: { holdId: undefined } as never },
    'lost r1: no such reservation, and pi_1 was kept',
  ],
  [
    'half of a refund',
    { reservations: [expired], intents: [{ ...paid, refunds: [5_000] }], slot: empty },
    'lost r1: of 20000 of pi_1, 5000 was given back',
  ],
  ['a booked seat', { slot: empty }, 'lost slot s1: 2 seats confirmed, 0 booked, 0 allocated'],
  [
    'a confirmed booking that was undone',
    { truth: { undone: [{ id: 'r1', to: 'expired', type: 'x' }] } },
    'lost r1: was confirmed and became expired by x',
  ],
  ['a second payment', { intents: [paid, { ...paid, id: 'pi_2' }] }, 'doubled r1: 2 payments were kept: pi_1,pi_2'],
  [
    'a second refund',
    { reservations: [expired], intents: [{ ...paid, refunds: [10_000, 10_000] }], slot: empty },
    'doubled r1: pi_1 was refunded 2 times',
  ],
  [
    'a second hold',
    { reservations: [confirmed, { ...expired, id: 'r2' }] },
    'doubled r1: one guest with one key also has r2',
  ],
  ['more seats than there are', { slot: { ...slot, capacity: 1 } }, 'doubled slot s1: 2 seats sold of 1'],
  [
    'a hold for ever',
    { reservations: [{ ...expired, status: 'held', seats: 'held' }], intents: [], slot: empty },
    'stuck r1: held, with its seats held',
  ],
  [
    'seats that are held for nobody',
    { slot: { ...slot, held: 1, allocatedHeld: 1 } },
    'stuck slot s1: 1 seats are held (allocations: 1)',
  ],
  [
    'an intent that can still be paid',
    { reservations: [expired], intents: [{ ...paid, status: 'requires_action' }], slot: empty },
    'stuck r1: expired, and pi_1 can still be paid',
  ],
  ['a message that is not said', { truth: { outboxes: 1 } }, 'stuck outboxes: 1 messages are not published'],
  ['another price', { intents: [{ ...paid, received: 5 }] }, 'wrong r1: pi_1 took 5 for a price of 20000'],
  ['an answer that nobody should get', { diary: { wrong: ['hold: 500'] } }, 'wrong r1: hold: 500'],
])('seen: %s', (_what, given, breach) => {
  expect(breaches(given)).toContainEqual(breach)
})
