import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { expect } from '@jest/globals'
import { cards } from '../support/stripe-js.ts'
import { at, once } from './holding.ts'
import {
  type Booking,
  type Card,
  captures,
  type Intent,
  isGone,
  isOver,
  isSurelyPaid,
  type Model,
  openIntent,
  type Span,
} from './model.ts'
import { cancelOpen, settle } from './observe.ts'
import { type Allowed, ask, codeOf, follow, nothing, type World } from './world.ts'

/** A hold becomes a payment: with a new card, or charged to a saved one at once. */

export interface ConvertWish {
  readonly card: 'new' | 'saved' | "somebody's" | 'unknown'
  readonly pick: number
  readonly savesCard: boolean
}

export async function convert(model: Model, world: World, user: string, booking: Booking, wish: ConvertWish) {
  const { card, paymentMethodId } = cardOf(model, user, wish)
  const body = {
    holdId: booking.id,
    ...(paymentMethodId !== null && { paymentMethodId }),
    savePaymentMethod: wish.savesCard,
  }
  const before = booking.intents.length
  await once(model, world, { route: reservations.convertHold, user, key: randomUUID(), body }, async (answer, span) => {
    if (booking.user !== user) return follow(answer, { RESERVATION_NOT_FOUND: nothing })
    follow(answer, convertAnswers(booking, { card, paymentMethodId, savesCard: wish.savesCard }, span))
    // A decline does not say of which intent.
    if (codeOf(answer) === 'PAYMENT_CARD_DECLINED' && booking.intents.length === before && !openIntent(booking))
      await findIntent(world, booking)
  })
}

function cardOf(model: Model, user: string, { card, pick }: ConvertWish) {
  const walletOf = (whose: string) => model.wallets.get(whose)?.cards ?? []
  switch (card) {
    case 'new':
      return { card: null, paymentMethodId: null }
    case 'saved': {
      const own = walletOf(user)
      const chosen = own.length > 0 ? at(own, pick) : null
      return { card: chosen, paymentMethodId: chosen?.id ?? null }
    }
    case "somebody's": {
      const [other] = model.users.filter((one) => one !== user).flatMap(walletOf)
      return { card: null, paymentMethodId: other?.id ?? randomUUID() }
    }
    case 'unknown':
      return { card: null, paymentMethodId: 'pm_card_visa' }
  }
}

interface Payment {
  readonly card: Card | null
  readonly paymentMethodId: string | null
  readonly savesCard: boolean
}

function convertAnswers(booking: Booking, payment: Payment, span: Span): Allowed {
  const { status } = booking
  if (status === 'cancelled') return { INVALID_HOLD_STATUS: nothing }
  if (status === 'confirmed') return { INVALID_HOLD_STATUS: nothing }
  const paid = captures(booking)
  if (status === 'expired')
    return { HOLD_EXPIRED: nothing, INVALID_HOLD_STATUS: paid.length > 0 && (() => settle(booking, 'confirmed')) }
  const over = isOver(booking, span)
  const mayRun = over !== 'yes' && { ...runAnswers(booking, payment) }
  return {
    ...mayRun,
    // Its own intent was paid and it may have been heard of, or not yet.
    ...(paid.length > 0 && { INVALID_HOLD_STATUS: () => settle(booking, 'confirmed') }),
    ...(over !== 'no' && { HOLD_EXPIRED: () => ended(booking, payment) }),
  }
}

/** It was converted just before its end, or not at all. */
function ended(booking: Booking, { card }: Payment): void {
  if (booking.price === 0) return
  booking.isConverted = true
  booking.isAtRest = false
  booking.progress = [
    ...booking.progress,
    ...(card ? (['processing', 'failed', 'requires_action'] as const) : []),
    'unpaid',
  ]
}

function runAnswers(booking: Booking, payment: Payment): Allowed {
  const { id, price } = booking
  const { card, paymentMethodId } = payment
  if (price === 0)
    return {
      ok: (body) => {
        const reservation = { id, status: 'confirmed', paymentIntentId: null }
        expect(body).toEqual({ reservation, paymentClientSecret: null, requiresAction: false })
        settle(booking, 'confirmed')
      },
    }
  const begin = () => {
    booking.isConverted = true
    booking.isAtRest = false
  }
  const open = (body: Converted) => {
    begin()
    const paying = captures(booking).find((intent) => intent.id === body.reservation.paymentIntentId)
    if (paying) return alreadyPaid(booking, paying, body)
    if (isSurelyPaid(booking)) throw new Error(`${id} was paid, and is to be paid again: ${JSON.stringify(body)}`)
    opened(booking, payment, body)
  }
  if (paymentMethodId !== null && !card)
    return { PAYMENT_METHOD_NOT_FOUND: begin, ok: captures(booking).length > 0 && open }
  if (card?.number === cards.declinesWhenCharged)
    return {
      ok: captures(booking).length > 0 && open,
      PAYMENT_CARD_DECLINED: ({ details }) => {
        begin()
        expect(details).toEqual({ declineCode: 'generic_decline' })
        const intent = openIntent(booking)
        if (intent) intent.status = 'requires_payment_method'
        booking.status = 'pending'
        booking.progress = [...booking.progress, 'failed']
      },
    }
  return { ok: open }
}

interface Converted {
  readonly reservation: { id: string; status: string; paymentIntentId: string }
  readonly paymentClientSecret: string
  readonly requiresAction: boolean
}

function alreadyPaid(booking: Booking, intent: Intent, body: Converted): void {
  const { id } = booking
  const reservation = { id, status: 'confirmed', paymentIntentId: intent.id }
  expect(body).toEqual({ reservation, paymentClientSecret: expect.any(String), requiresAction: false })
  settle(booking, 'confirmed')
}

function opened(booking: Booking, { card, savesCard }: Payment, body: Converted): void {
  const { paymentIntentId } = body.reservation
  const secret = body.paymentClientSecret
  expect(secret.startsWith(`${paymentIntentId}_secret_`)).toBe(true)
  const intent = openIntent(booking) ?? newIntent(booking, paymentIntentId, secret)
  expect({ paymentIntentId, secret }).toEqual({ paymentIntentId: intent.id, secret: intent.secret })
  charge(booking, intent, card)
  if (!card) intent.savesCard = savesCard
  const asks = intent.status === 'requires_action'
  // Though the webhook of a saved card's charge may be faster than the answer.
  expect(body).toEqual({
    reservation: { id: booking.id, status: 'pending', paymentIntentId },
    paymentClientSecret: secret,
    requiresAction: asks,
  })
  booking.status = 'pending'
  booking.progress = [...booking.progress, asks ? 'requires_action' : card ? 'processing' : 'unpaid']
}

function charge(booking: Booking, intent: Intent, card: Card | null): void {
  if (!card) return
  intent.card = card.number
  intent.status = card.number === cards.threeDSecure ? 'requires_action' : 'succeeded'
  if (isGone(booking)) throw new Error(`${booking.id} is ${booking.status}, and was charged`)
}

function newIntent(booking: Booking, id: string, secret: string): Intent {
  const { price: amount } = booking
  const fresh = { status: 'requires_payment_method', card: null, savesCard: false, returned: 0 } as const
  const intent: Intent = { ...fresh, id, secret, isOurs: true, amount }
  booking.intents.push(intent)
  return intent
}

async function findIntent(world: World, booking: Booking): Promise<void> {
  const { answer } = await ask(world, reservations.getReservation, { as: booking.user, params: { id: booking.id } })
  const { paymentIntentId } = (answer.body as { reservation: { paymentIntentId: string } }).reservation
  expect(paymentIntentId).toMatch(/^pi_/)
  const { client_secret, status } = await world.stack.emulator.stripe.paymentIntents.retrieve(paymentIntentId)
  const intent = newIntent(booking, paymentIntentId, String(client_secret))
  if (status === 'canceled') cancelOpen(intent)
}
