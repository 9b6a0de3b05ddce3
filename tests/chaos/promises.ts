import type { Diary } from './diary.ts'
import type { IntentTruth, ReservationTruth, SlotTruth, Truth } from './truth.ts'

/** lost: a seat, money or a word that was given. doubled: twice what is there once. stuck: not at its end. */
export type Harm = 'lost' | 'doubled' | 'stuck' | 'wrong'

export interface Breach {
  readonly harm: Harm
  /** A reservation's id, where there is one. */
  readonly subject: string
  readonly what: string
}

/** Everything that is not as promised, when all has come to rest. Pure. */
export function breachesOf(truth: Truth, diaries: readonly Diary[]): Breach[] {
  const reservations = [...truth.reservations.values()]
  return [
    ...reservations.flatMap((reservation) => [
      ...judgeEnd(reservation),
      ...judgeMoney(reservation, truth.intents.get(reservation.id) ?? []),
    ]),
    ...truth.slots.flatMap((slot) => judgeSlot(slot, reservations)),
    ...judgeStrangers(truth),
    ...truth.undone.map(({ id, to, type }) => lost(id, `was confirmed and became ${to} by ${type}`)),
    ...diaries.flatMap((diary) => judgeWord(diary, truth)),
    ...judgeDoubles(reservations),
    ...(truth.outboxes > 0 ? [stuck('outboxes', `${truth.outboxes} messages are not published`)] : []),
  ]
}

const breach = (harm: Harm) => (subject: string, what: string) => ({ harm, subject, what })
const [lost, doubled, stuck, wrong] = (['lost', 'doubled', 'stuck', 'wrong'] as const).map(breach) as [
  Say,
  Say,
  Say,
  Say,
]
type Say = (subject: string, what: string) => Breach

function judgeEnd({ id, status, seats }: ReservationTruth): Breach[] {
  const isAtRest = status === 'confirmed' ? seats === 'booked' : seats === 'released'
  return ['confirmed', 'expired', 'cancelled'].includes(status) && isAtRest
    ? []
    : [stuck(id, `${status}, with its seats ${seats}`)]
}

function judgeMoney({ id, status, totalPrice }: ReservationTruth, intents: readonly IntentTruth[]): Breach[] {
  const captured = intents.filter((intent) => intent.status === 'succeeded')
  const breaches: Breach[] = []
  for (const intent of captured) {
    const returned = intent.refunds.reduce((sum, amount) => sum + amount, 0)
    if (intent.refunds.length > 1)
      breaches.push(doubled(id, `${intent.id} was refunded ${intent.refunds.length} times`))
    if (returned !== 0 && returned !== intent.received)
      breaches.push(lost(id, `of ${intent.received} of ${intent.id}, ${returned} was given back`))
    if (intent.received !== totalPrice)
      breaches.push(wrong(id, `${intent.id} took ${intent.received} for a price of ${totalPrice}`))
  }
  const kept = captured.filter(({ refunds }) => refunds.length === 0)
  const owed = status === 'confirmed' && totalPrice > 0 ? 1 : 0
  if (kept.length > 1) breaches.push(doubled(id, `${kept.length} payments were kept: ${kept.map((one) => one.id)}`))
  if (kept.length < owed) breaches.push(lost(id, 'confirmed, and nothing was paid for it'))
  if (kept.length > owed && owed === 0) breaches.push(lost(id, `${status}, and its money was kept: ${kept[0]?.id}`))
  const payable = intents.filter((intent) => !['succeeded', 'canceled'].includes(intent.status))
  if (payable.length > 0 && status !== 'confirmed')
    breaches.push(stuck(id, `${status}, and ${payable.map((one) => one.id)} can still be paid`))
  return breaches
}

/** Guests with seats of a slot, against what the slot says of itself. */
function judgeSlot(slot: SlotTruth, reservations: readonly ReservationTruth[]): Breach[] {
  const { id, capacity, held, booked, allocatedHeld, allocatedBooked } = slot
  const confirmed = reservations
    .filter(({ status, timeSlotId }) => status === 'confirmed' && timeSlotId === id)
    .reduce((sum, { guests }) => sum + guests, 0)
  const subject = `slot ${id}`
  return [
    ...(booked > capacity || confirmed > capacity ? [doubled(subject, `${confirmed} seats sold of ${capacity}`)] : []),
    ...(held > 0 || allocatedHeld > 0
      ? [stuck(subject, `${held} seats are held (allocations: ${allocatedHeld})`)]
      : []),
    ...(booked !== confirmed || allocatedBooked !== confirmed
      ? [lost(subject, `${confirmed} seats confirmed, ${booked} booked, ${allocatedBooked} allocated`)]
      : []),
  ]
}

/** Money whose reservation nobody knows. */
function judgeStrangers({ intents, reservations }: Truth): Breach[] {
  return [...intents].flatMap(([id, list]) => {
    if (reservations.has(id)) return []
    const kept = list.filter(({ status, refunds }) => status === 'succeeded' && refunds.length === 0)
    return kept.map((intent) => lost(id || intent.id, `no such reservation, and ${intent.id} was kept`))
  })
}

/** What was said to a guest, against what came of it. */
function judgeWord(diary: Diary, { reservations, intents }: Truth): Breach[] {
  const { user, holdId, confirmed, cancelled, paid } = diary
  const subject = holdId ?? user
  const breaches = diary.wrong.map((what) => wrong(subject, what))
  if (holdId === undefined) return breaches
  const reservation = reservations.get(holdId)
  if (!reservation) return [...breaches, lost(subject, 'the guest was told that it is held, and there is none')]
  if (confirmed && reservation.status !== 'confirmed')
    breaches.push(lost(subject, `the guest was told that it is confirmed, and it is ${reservation.status}`))
  if (confirmed?.reference !== undefined && confirmed.reference !== reservation.reference)
    breaches.push(lost(subject, `the guest was told ${confirmed.reference}, and it is ${reservation.reference}`))
  if (cancelled && reservation.status !== 'cancelled')
    breaches.push(lost(subject, `the guest was told that it is cancelled, and it is ${reservation.status}`))
  const own = intents.get(holdId) ?? []
  for (const id of diary.intentIds)
    if (!own.some((intent) => intent.id === id)) breaches.push(lost(subject, `was given ${id}, which is not at Stripe`))
  for (const id of paid)
    if (own.find((intent) => intent.id === id)?.status !== 'succeeded')
      breaches.push(lost(subject, `the guest paid ${id}, and it is not paid at Stripe`))
  return breaches
}

/** Each guest wanted one booking and had one key for it. */
function judgeDoubles(reservations: readonly ReservationTruth[]): Breach[] {
  return [...Map.groupBy(reservations, ({ user }) => user).values()].flatMap((own) => {
    const [first, ...others] = own.map(({ id }) => id)
    return first && others.length > 0 ? [doubled(first, `one guest with one key also has ${others}`)] : []
  })
}
