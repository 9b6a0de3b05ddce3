import { eventually } from '@holdfast/testing/facts'
import { expect } from '@jest/globals'
import { cards } from '../support/stripe-js.ts'
import { type Booking, captures, type Intent, isGone, isOver, type Model, type Span, taken } from './model.ts'
import { settle } from './observe.ts'
import { readStatus } from './reading.ts'
import { walletOf } from './wallet.ts'
import type { World } from './world.ts'

/** What happens at Stripe: the guest pays there, somebody pays or gives back in the dashboard, an event is sent again. */

const declineCodes: Record<string, string> = {
  [cards.declined]: 'generic_decline',
  [cards.insufficientFunds]: 'insufficient_funds',
}

/** Stripe.js with a card that is typed in, with the secret of the last conversion, whatever has become of it. */
export async function pay(model: Model, world: World, intent: Intent, booking: Booking, card: string): Promise<void> {
  const from = Date.now()
  const result = await world.stack.stripeJs.confirmCardPayment(intent.secret, card)
  const span = { from, to: Date.now() }
  if (result.error?.code === 'payment_intent_unexpected_state') return expectDecided(booking, intent, span)
  expectPayable(booking, intent)
  booking.isAtRest = false
  intent.card = card
  if (result.error) {
    expect(result.error).toMatchObject({ code: 'card_declined', decline_code: declineCodes[card] })
    intent.status = 'requires_payment_method'
    booking.progress = [...booking.progress, 'failed']
  } else {
    expect(result.status).toBe(card === cards.threeDSecure ? 'requires_action' : 'succeeded')
    if (result.status === 'succeeded') succeed(model, booking, intent)
    else {
      intent.status = 'requires_action'
      booking.progress = [...booking.progress, 'requires_action']
    }
  }
}

/** The guest completes 3D Secure in the bank's window, or fails to. */
export async function authenticate(
  model: Model,
  world: World,
  intent: Intent,
  booking: Booking,
  outcome: 'succeed' | 'fail',
): Promise<void> {
  const from = Date.now()
  try {
    await world.stack.stripeJs.authenticate(intent.id, outcome)
  } catch (error) {
    // To be saved, and removed by its guest while the bank asked: Stripe takes it for nothing any more.
    const own = walletOf(model, booking.user).cards.map(({ number }) => number)
    const isRemoved = intent.card !== null && !own.includes(intent.card)
    if (String(error).includes('may not be used again') && isRemoved) return
    return expectDecided(booking, intent, { from, to: Date.now() })
  }
  expectPayable(booking, intent)
  booking.isAtRest = false
  if (outcome === 'succeed') return succeed(model, booking, intent)
  intent.status = 'requires_payment_method'
  booking.progress = [...booking.progress, 'failed']
}

function succeed(model: Model, booking: Booking, intent: Intent): void {
  intent.status = 'succeeded'
  if (intent.savesCard && intent.card) model.wallets.get(booking.user)?.coming.set(intent.card, 'must')
}

/** Paid or cancelled before: what is over, or paid by another, is cancelled in a while. */
function expectDecided(booking: Booking, intent: Intent, span: Span): void {
  if (intent.status === 'succeeded' || intent.status === 'canceled') return
  if (isOver(booking, span) === 'no' && captures(booking).length === 0)
    throw new Error(`${intent.id} can not be paid, and ${booking.id} is not over`)
  intent.status = 'canceled'
}

/** The fence: what has ended can not be paid any more. */
function expectPayable(booking: Booking, intent: Intent): void {
  if (isGone(booking)) throw new Error(`${booking.id} is ${booking.status}, and ${intent.id} could still be paid`)
  if (intent.status === 'succeeded' || intent.status === 'canceled')
    throw new Error(`${intent.id} was ${intent.status}, and could be paid`)
}

/** Money that nobody asked for, with our name on it: an intent that was made by hand. */
export async function payByHand(model: Model, world: World, booking: Booking, isWrongAmount: boolean): Promise<void> {
  const amount = booking.price + (isWrongAmount ? 1 : 0)
  const span = { from: Date.now(), to: Date.now() }
  const room = roomOf(model, booking, span)
  const paid = await world.stack.emulator.stripe.paymentIntents.create({
    ...{ amount, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, return_url: 'https://example.com' },
    metadata: { reservationId: booking.id, attempt: '99' },
  })
  expect(paid.status).toBe('succeeded')
  const { id, client_secret: secret } = paid
  const late = booking.status === 'expired' && captures(booking).length === 0 && !isWrongAmount
  booking.intents.push({
    ...{ id, secret: String(secret), isOurs: false, amount, status: 'succeeded', card: cards.success },
    ...{ savesCard: false, returned: 0 },
  })
  booking.isAtRest = false
  if (!late) return
  booking.wasLate = true
  if (model.isCutOff) return
  await expectLateDecided(world, booking, room)
}

/** Whether the seats of an expired booking are free for it. */
function roomOf(model: Model, booking: Booking, span: Span): 'free' | 'sold' | 'either' {
  const { least, most } = taken(model, booking.slot, span, booking)
  const fits = (others: number) => others + booking.guests <= booking.slot.capacity
  if (!model.isAlone) return 'either'
  if (fits(most)) return 'free'
  return fits(least) ? 'either' : 'sold'
}

async function expectLateDecided(world: World, booking: Booking, room: 'free' | 'sold' | 'either'): Promise<void> {
  const { outcome } = await eventually(
    `the late payment of ${booking.id} is decided`,
    async () => {
      const { data } = await readStatus(world, booking)
      // It may have had another before: money that did not match.
      return data.outcome?.startsWith('late_payment') && data
    },
    15_000,
  )
  const right = { free: ['confirmed'], sold: ['refunded'], either: ['confirmed', 'refunded'] }[room]
  expect(right.map((end) => `late_payment_${end}`)).toContain(outcome)
  if (outcome === 'late_payment_confirmed') settle(booking, 'confirmed')
}

/** Given back in the dashboard. What is given back already can not be given back once more. */
export async function refund(world: World, booking: Booking, intent: Intent, isPart: boolean): Promise<void> {
  const left = intent.amount - intent.returned
  const amount = isPart ? Math.min(1_000, left) : left
  booking.isAtRest = false
  try {
    await world.stack.emulator.stripe.refunds.create({ payment_intent: intent.id, ...(isPart && { amount }) })
    intent.returned += amount
  } catch (error) {
    // Only what pays for seats is surely not given back by somebody else: by us.
    if (left > 0 && booking.paidBy === intent.id) throw error
  }
}

/** From now on, Stripe's events come so. Those that are held back wait until everything comes to rest. */
export async function deliver(model: Model, world: World, mode: { hold?: boolean } & object): Promise<void> {
  await world.stack.emulator.webhooks(mode)
  if (mode.hold) model.isCutOff = true
}

/** Stripe says again what it has said before. */
export async function resend(model: Model, world: World, pick: number): Promise<void> {
  const ids = new Set(model.bookings.flatMap(({ intents }) => intents.map(({ id }) => id)))
  const { data } = await world.stack.emulator.stripe.events.list({ limit: 100 })
  const ours = data.filter(({ data: { object } }) => {
    const { id, payment_intent } = object as { id: string; payment_intent?: string }
    return ids.has(id) || ids.has(payment_intent ?? '')
  })
  const event = ours[pick % ours.length]
  if (event) await world.stack.emulator.resend(event.id)
}
