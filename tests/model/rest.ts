import type { PaymentMethodView } from '@holdfast/contracts/routes/payments'
import * as payments from '@holdfast/contracts/routes/payments'
import type { Outcome } from '@holdfast/contracts/values'
import { sourcesIn } from '@holdfast/operations/sources'
import { eventually } from '@holdfast/testing/facts'
import { defaultBounds } from '@holdfast/verification/booking'
import { verifyOne } from '@holdfast/verification/verification'
import { expect } from '@jest/globals'
import type Stripe from 'stripe'
import { readReservation, readSlot as slotNow } from '../support/situation.ts'
import { type Booking, captures, type Intent, isGone, isShort, type Model, mismatches } from './model.ts'
import { cancelOpen } from './observe.ts'
import { expectSeen, readStatus } from './reading.ts'
import { expectCards } from './wallet.ts'
import type { World } from './world.ts'

/** Everything that was said arrives, and what was short is over: then there is one truth, and four places that tell it. */

/** A hold of two seconds, a sweep, Stripe's events, and a machine that has more to do. */
const patienceMs = 30_000
const patienceWhileShrinkingMs = 8_000

export async function rest(model: Model, world: World): Promise<void> {
  await world.stack.emulator.release()
  model.isCutOff = false
  // Of two events within one second Stripe does not say which came first: what comes last shows, until Stripe is asked.
  await eventuallyHolds(world, 'every event is delivered', async () => {
    const events = await world.stack.emulator.events()
    expect(events.filter(({ deliveries }) => !deliveries.some(({ status }) => status === 200))).toEqual([])
  })
  await Promise.all(model.bookings.map((booking) => bookingAtRest(world, booking)))
  await Promise.all(model.users.map((user) => walletAtRest(model, world, user)))
  for (const slot of model.slots) {
    const own = model.bookings.filter((booking) => booking.slot === slot)
    const sum = (...statuses: string[]) =>
      own.filter(({ status }) => statuses.includes(status)).reduce((total, { guests }) => total + guests, 0)
    const right = { held: sum('held', 'pending'), booked: sum('confirmed') }
    await eventuallyHolds(world, `the seats of ${slot.id} add up`, async () =>
      expect(await slotNow(world.stack, slot.id)).toMatchObject(right),
    )
  }
  // What somebody has given back before we could tells nobody that there is more to come.
  await eventuallyHolds(world, 'the money is where it belongs', () => moneyAtRest(model, world))
  await recordsAtRest(model, world)
}

/** Waits until it holds, and says of what never does what is wrong with it. */
async function eventuallyHolds(world: World, what: string, look: () => Promise<unknown>): Promise<void> {
  await eventually(
    what,
    async () => {
      await look()
      return true
    },
    world.counts.hasFailed ? patienceWhileShrinkingMs : patienceMs,
  ).catch((error: Error) => {
    throw error.cause instanceof Error ? new Error(`${error.message}: ${error.cause.message}`) : error
  })
}

async function bookingAtRest(world: World, booking: Booking): Promise<void> {
  const { user, id } = booking
  await eventuallyHolds(world, `${id} is at rest`, async () => {
    const { data } = await readStatus(world, booking)
    const from = Date.now()
    const seen = await readReservation(world.stack, user, id)
    expectSeen(booking, seen, { from, to: Date.now() })
    expectEnd(booking, seen.status, from)
    expect(data.reservationStatus).toBe(seen.status)
    expect(data.paymentStatus).toBe(seen.paymentStatus)
    expect(moneyEnds(booking)).toContain(seen.paymentStatus)
    expect(outcomesOf(booking)).toContain(data.outcome)
    if (isGone(booking)) for (const intent of booking.intents) cancelOpen(intent)
    const current = booking.intents.find((intent) => intent.id === data.paymentIntentId)
    if (current) expect(data.stripeStatus).toBe(current.status)
    booking.progress = [seen.paymentStatus]
  })
  booking.isAtRest = true
}

function expectEnd(booking: Booking, status: string, now: number): void {
  const isPaid = captures(booking).length > 0
  if (isPaid && booking.status !== 'cancelled') expect(['confirmed', 'expired']).toContain(status)
  // A short hold that has not ended yet would end while the others are looked at.
  if (isShort(booking)) expect(['confirmed', 'expired', 'cancelled']).toContain(status)
  if (status === 'expired') expect(now).toBeGreaterThanOrEqual(booking.expiresAt)
}

/** The payment status it comes to. */
function moneyEnds(booking: Booking): string[] {
  const { status, progress, price } = booking
  const paid = captures(booking)
  if (status === 'confirmed') {
    if (price === 0) return ['paid']
    const paying = paid.find(({ id }) => id === booking.paidBy)
    return [!paying?.returned ? 'paid' : paying.returned < price ? 'partially_refunded' : 'refunded']
  }
  if (paid.length > 0) return ['refunded']
  // Of one that has ended the last news may have come after its end, when it was news to nobody.
  if (isGone(booking)) return progress
  // A look at Stripe shows the last of what happened there: what is heard later of the steps before it, and then of it once
  // more, is news, also to a conversion that came in between.
  const steps = progress.filter((one) => one === 'failed' || one === 'requires_action')
  return [...progress.slice(-1), ...(steps.length > 1 ? steps.filter((one) => one === 'failed') : [])]
}

/** What became of money that did not simply pay; of several such payments, of any of them. */
function outcomesOf(booking: Booking): (Outcome | null)[] {
  const paid = captures(booking)
  const extra = booking.status === 'confirmed' ? paid.length - 1 : paid.length
  const outcomes: (Outcome | null)[] = []
  if (mismatches(booking).length > 0) outcomes.push('mismatch_refunded')
  if (booking.status === 'confirmed') {
    if (booking.price > 0 && extra > 0) outcomes.push('duplicate_payment_refunded')
    if (paid.some(({ isOurs }) => !isOurs) && booking.expiresAt <= Date.now()) outcomes.push('late_payment_confirmed')
  } else {
    if (extra > 0) outcomes.push('late_payment_refunded')
    if (extra > 1) outcomes.push('duplicate_payment_refunded')
  }
  const isMoneyPlain = extra <= 0 && mismatches(booking).length === 0
  // Somebody gave it back in the dashboard first, so nothing was left for us to do.
  const wasReturned = booking.intents.some(({ returned }) => returned > 0)
  return isMoneyPlain || wasReturned ? [...outcomes, null] : outcomes
}

async function walletAtRest(model: Model, world: World, user: string): Promise<void> {
  const wallet = model.wallets.get(user)
  if (!wallet) return
  await eventuallyHolds(world, `the cards of ${user} are at rest`, async () => {
    const { data } = await world.stack.api.ok(payments.listPaymentMethods, { as: user })
    if (wallet.coming.size > 0) adopt(wallet.cards, data)
    expectCards(wallet, data)
    for (const [number, due] of wallet.coming)
      if (due === 'must') expect(wallet.cards.map((card) => card.number)).toContain(number)
  })
  if (wallet.coming.size === 0) return
  const { data } = await world.stack.api.ok(payments.listPaymentMethods, { as: user })
  const ages = new Map(data.map(({ id, createdAt }) => [id, createdAt]))
  wallet.cards.sort((a, b) => (ages.get(a.id) ?? '').localeCompare(ages.get(b.id) ?? ''))
  wallet.coming.clear()
}

/** Which card was first, and so is the default, is known only now. */
function adopt(known: { id: string; isDefault: boolean }[], data: readonly PaymentMethodView[]): void {
  for (const card of known) card.isDefault = data.some(({ id, isDefault }) => id === card.id && isDefault)
}

/** Stripe's own books: each payment is kept for a confirmed booking, or went back, once. */
async function moneyAtRest(model: Model, world: World): Promise<void> {
  const { paymentIntents } = world.stack.emulator.stripe
  const { data } = await paymentIntents.list({ limit: 100, expand: ['data.latest_charge'] })
  for (const booking of model.bookings) {
    const known = booking.intents.filter(({ id }) => !data.some((seen) => seen.id === id))
    const older = known.map(({ id }) => paymentIntents.retrieve(id, { expand: ['latest_charge'] }))
    const recent = data.filter(({ metadata }) => metadata.reservationId === booking.id)
    for (const seen of [...recent, ...(await Promise.all(older))]) await expectMoney(world, booking, seen)
  }
}

async function expectMoney(world: World, booking: Booking, seen: Stripe.PaymentIntent): Promise<void> {
  const intent = booking.intents.find(({ id }) => id === seen.id)
  const charge = seen.latest_charge as Stripe.Charge | null
  const received = seen.status === 'succeeded' ? seen.amount_received : 0
  if (intent?.status !== 'succeeded') {
    // Made by a conversion that came too late, or waiting to be paid.
    expect({ id: seen.id, received }).toEqual({ id: seen.id, received: 0 })
    if (isGone(booking)) expect({ id: seen.id, status: seen.status }).toEqual({ id: seen.id, status: 'canceled' })
    return
  }
  const returned = charge?.amount_refunded ?? 0
  expect({ id: seen.id, received, returned }).toEqual({
    ...{ id: intent.id, received: intent.amount, returned: keeps(booking, intent) ? intent.returned : intent.amount },
  })
  if (returned === 0) return
  const refunds = await world.stack.emulator.stripe.refunds.list({ payment_intent: intent.id })
  const ours = refunds.data.filter(({ metadata }) => metadata?.cause !== undefined)
  expect(ours.length).toBeLessThanOrEqual(keeps(booking, intent) ? 0 : 1)
}

const keeps = (booking: Booking, { id }: Intent) => booking.status === 'confirmed' && booking.paidBy === id

/** The three databases agree with one another: what `npm run verify` would say. */
async function recordsAtRest(model: Model, world: World): Promise<void> {
  const ids = model.bookings.map(({ id }) => id)
  await eventuallyHolds(world, 'the three databases agree', async () => {
    const options = { bounds: defaultBounds, pageSize: 100, pause: async () => {} }
    const reports = await Promise.all(ids.map((id) => verifyOne(sourcesIn(world.databases), id, options)))
    const findings = reports.flatMap((report) => report?.findings ?? [])
    expect(findings.filter(({ standing }) => standing !== 'note')).toEqual([])
  })
}
