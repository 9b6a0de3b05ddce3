import type { ReservationStatus } from '../../libs/contracts/src/values.ts'
import { type PaymentIntent, shortId } from './stripe.ts'
import type { World } from './world.ts'

/**
 * What must be true after every single step. Written down from the promises (docs/architecture.md) and not with the
 * services' own words: a rule that is wrong there must not be wrong here as well.
 */
const mayBecome: Record<ReservationStatus, readonly ReservationStatus[]> = {
  held: ['pending', 'confirmed', 'expired', 'cancelled'],
  pending: ['confirmed', 'expired', 'cancelled'],
  expired: ['confirmed'],
  confirmed: [],
  cancelled: [],
}

/** A turn of the sweep, and before that the five seconds for which somebody who died had claimed the row. */
const punctualMs = 8_000

export class BrokenPromise extends Error {}

const broken = (what: string): never => {
  throw new BrokenPromise(what)
}

/** Throws `BrokenPromise` when something is so that must never be; says whether anything had changed. */
export function createChecks(world: World): () => boolean {
  const { tables, servers, stripe } = world
  const statuses = new Map<string, ReservationStatus>()
  const hadSeats = new Set<string>()
  let checked = ''

  function checkSeats(): void {
    for (const { id, capacity, held, booked } of tables.inventory.slots.all()) {
      if (held < 0 || booked < 0 || held + booked > capacity)
        broken(`slot ${shortId(id)} has ${held} held and ${booked} booked of ${capacity}`)
      let [heldSum, bookedSum] = [0, 0]
      for (const { slotId, state, guests } of tables.inventory.allocations.all()) {
        if (slotId !== id) continue
        if (state === 'held') heldSum += guests ?? 0
        if (state === 'booked') bookedSum += guests ?? 0
      }
      if (heldSum !== held || bookedSum !== booked)
        broken(`slot ${shortId(id)} says ${held} held, ${booked} booked; its allocations ${heldSum}, ${bookedSum}`)
    }
  }

  /** Seats that were taken and are free again: nobody may still be able to pay for them. */
  function checkFence(): void {
    for (const { reservationId, state } of tables.inventory.allocations.all()) {
      if (state !== 'released') hadSeats.add(reservationId)
      else if (hadSeats.delete(reservationId)) {
        const open = [...stripe.intents.values()].find((i) => i.reservationId === reservationId && isFenced(i))
        if (open && !wasAbandoned(world, reservationId))
          broken(`the seats of ${shortId(reservationId)} are free, and ${open.id} (${open.status}) can still be paid`)
      }
    }
  }

  function checkStatuses(): void {
    for (const { id, status, convertedAt, holdExpiresAt } of tables.reservation.reservations.all()) {
      if (convertedAt !== null && convertedAt >= holdExpiresAt) broken(`${shortId(id)} was converted after its end`)
      const before = statuses.get(id)
      if (before !== undefined && before !== status && !mayBecome[before].includes(status))
        broken(`${shortId(id)} went from ${before} to ${status}`)
      statuses.set(id, status)
      const seats = tables.inventory.allocations.get(id)?.state
      if (status === 'confirmed' && seats !== 'held' && seats !== 'booked')
        broken(`${shortId(id)} is confirmed, and its seats are ${seats ?? 'nowhere'}`)
    }
  }

  function checkRefunds(): void {
    const ours = new Set<string>()
    for (const { intentId, cause, status } of stripe.refunds) {
      if (cause === null || status === 'failed') continue
      if (ours.has(intentId)) broken(`${intentId} was refunded twice`)
      ours.add(intentId)
      const intent = stripe.intents.get(intentId)
      const reservation = tables.reservation.reservations.get(intent?.reservationId ?? '')
      if (reservation?.status === 'confirmed' && reservation.paymentIntentId === intentId)
        broken(`${intentId} pays the confirmed ${shortId(reservation.id)}, and was refunded`)
    }
  }

  /** Without trouble a hold ends with its time, and one that is being paid when Stripe has been waited for. */
  function checkPunctuality(): void {
    if (world.peace.since === undefined) return
    for (const { id, status, payment, holdExpiresAt } of tables.reservation.reservations.all()) {
      if (status !== 'held' && status !== 'pending') continue
      const patienceMs = payment === 'none' ? 0 : world.settings.closeDeadlineMs
      const lateMs = world.clock.now() - Math.max(world.peace.since, holdExpiresAt.getTime()) - patienceMs
      if (lateMs > punctualMs) broken(`${shortId(id)} is ${status} ${lateMs / 1_000} s after its end, in peace`)
    }
  }

  return () => {
    const stores = Object.values(servers).map(({ store }) => store)
    if (stores.some((store) => store.isOpen())) broken('a transaction waits for something that is not its database')
    if (world.surprises.length > 0) throw world.surprises[0]
    checkPunctuality()
    const changes = `${stores.map((store) => store.changes()).join(' ')} ${stripe.refunds.length}`
    if (changes === checked) return false
    checked = changes
    checkSeats()
    checkFence()
    checkStatuses()
    checkRefunds()
    return true
  }
}

/** What nobody of ours can know of is beyond any fence: its money is given back. */
const isFenced = ({ status, isOrphan }: PaymentIntent) => status !== 'canceled' && status !== 'succeeded' && !isOrphan

/** Stripe did not answer for so long that the seats went free all the same, as is written down. */
function wasAbandoned({ tables }: World, id: string): boolean {
  return (
    tables.reservation.timeline.where(({ reservationId, type }) => reservationId === id && type === 'closing_abandoned')
      .length > 0
  )
}
