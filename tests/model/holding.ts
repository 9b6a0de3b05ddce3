import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { expect } from '@jest/globals'
import type { Answer } from '../support/api.ts'
import { holdBody } from '../support/situation.ts'
import {
  type Booking,
  captures,
  isGone,
  isOver,
  isSurelyPaid,
  left,
  type Model,
  priceFor,
  priceNow,
  type Slot,
  type Span,
} from './model.ts'
import { cancelOpen, settle } from './observe.ts'
import { type Allowed, ask, codeOf, follow, nothing, type World } from './world.ts'

/** The hold, its repetitions, and its release. */

export interface HoldWish {
  readonly slot: number
  readonly guests: number
  /** A slot of another experience. */
  readonly isMixedUp: boolean
  /** One of a few keys, which sooner or later was used; else a new one. */
  readonly key: number | null
}

export async function hold(model: Model, world: World, user: string, wish: HoldWish): Promise<void> {
  const slot = at(model.slots, wish.slot)
  const other = model.slots.find(({ experience }) => experience !== slot.experience)
  const experienceId = wish.isMixedUp && other ? other.experience.id : slot.experience.id
  const body = holdBody({ experienceId, timeSlotId: slot.id }, { numberOfGuests: wish.guests })
  const key = wish.key === null ? randomUUID() : `a-key-${wish.key}`
  await once(model, world, { route: reservations.createHold, user, key, body }, (answer, span) =>
    follow(
      answer,
      wish.isMixedUp ? { TIME_SLOT_NOT_FOUND: nothing } : holdAnswers(model, user, slot, wish.guests, span),
    ),
  )
}

function holdAnswers(model: Model, user: string, slot: Slot, guests: number, span: Span): Allowed {
  if (guests > slot.experience.maxGuests) return { VALIDATION_ERROR: nothing }
  const { least, most } = left(model, slot, span)
  const isOpen = slot.isOpen || !model.isAlone
  return {
    ok: isOpen && guests <= most && ((body) => addBooking(model, user, slot, guests, body, span)),
    TIME_SLOT_NOT_AVAILABLE: (!slot.isOpen || least <= 0 || !model.isAlone) && nothing,
    NOT_ENOUGH_CAPACITY:
      isOpen &&
      least < guests &&
      most > 0 &&
      (({ details: { available } }) => {
        expect(available).toBeGreaterThanOrEqual(Math.max(1, least))
        expect(available).toBeLessThanOrEqual(Math.min(most, guests - 1))
      }),
  }
}

interface Held {
  readonly reservation: { id: string; holdExpiresAt: string; originalPrice: number }
}

function addBooking(model: Model, user: string, slot: Slot, guests: number, body: Held, span: Span): void {
  const { id, holdExpiresAt, originalPrice } = body.reservation
  const { holdSeconds } = slot.experience
  const perGuest = model.isAlone ? priceNow(slot) : originalPrice / guests
  expect([...slot.prices, priceNow(slot)]).toContain(perGuest)
  const { appliedDiscounts, ...prices } = priceFor(slot, perGuest, guests)
  expect(body).toEqual({
    reservation: { id: expect.any(String), status: 'held', holdExpiresAt, ...prices, currency: 'usd' },
    appliedDiscounts,
    holdDurationMinutes: holdSeconds / 60,
  })
  const expiresAt = Date.parse(holdExpiresAt)
  expect(expiresAt).toBeGreaterThanOrEqual(span.from + holdSeconds * 1_000)
  expect(expiresAt).toBeLessThanOrEqual(span.to + holdSeconds * 1_000)
  expect(model.bookings.map((booking) => booking.id)).not.toContain(id)
  model.bookings.push({
    ...{ id, user, slot, guests, price: prices.totalPrice, expiresAt, status: 'held', isConverted: false },
    ...{ progress: ['unpaid'], intents: [], isAtRest: true, wasLate: false, reference: null, paidBy: null },
  })
}

type Keyed = typeof reservations.createHold | typeof reservations.convertHold

interface Request {
  readonly route: Keyed
  readonly user: string
  readonly key: string
  readonly body: Record<string, unknown>
}

/** A used key is answered from the record, or refused for another body; nothing happens. A new one is judged by `fresh`. */
export async function once(
  model: Model,
  world: World,
  { route, user, key, body }: Request,
  fresh: (answer: Answer, span: Span) => void | Promise<void>,
): Promise<void> {
  const scope = `${user} ${route.url} ${key}`
  const known = model.answers.get(scope)
  const { answer, span } = await ask(world, route, { as: user, key, body })
  if (known) {
    if (known.body !== JSON.stringify(body)) return follow(answer, { IDEMPOTENCY_KEY_REUSED: nothing })
    expect({ status: answer.status, body: answer.body }).toEqual({ status: known.status, body: known.answer })
    expect(answer.headers.get('idempotent-replayed')).toBe('true')
    return
  }
  expect(answer.headers.get('idempotent-replayed')).toBeNull()
  await fresh(answer, span)
  if (codeOf(answer) !== 'VALIDATION_ERROR')
    model.answers.set(scope, { body: JSON.stringify(body), status: answer.status, answer: answer.body })
}

/** Sends a request of before once more: word for word, or with another body. */
export async function repeat(
  model: Model,
  world: World,
  user: string,
  pick: number,
  isChanged: boolean,
): Promise<void> {
  const used = [...model.answers].filter(([scope]) => scope.startsWith(`${user} `))
  const [scope, { body }] = at(used, pick)
  const [, url, key = ''] = scope.split(' ')
  const route = url === reservations.createHold.url ? reservations.createHold : reservations.convertHold
  const original = JSON.parse(body) as Record<string, unknown>
  const changed = url === reservations.createHold.url ? { guestName: 'Jane Doe' } : { holdId: randomUUID() }
  await once(model, world, { route, user, key, body: { ...original, ...(isChanged && changed) } }, () => {
    throw new Error(`${key} was used, and is treated as new`)
  })
}

/** The guest gives it back. */
export async function release(_model: Model, world: World, user: string, booking: Booking): Promise<void> {
  const { answer, span } = await ask(world, reservations.releaseHold, { as: user, params: { id: booking.id } })
  if (booking.user !== user) return follow(answer, { RESERVATION_NOT_FOUND: nothing })
  const { id, status } = booking
  const isActive = status === 'held' || status === 'pending'
  const over = isOver(booking, span)
  const isPaid = captures(booking).length > 0
  follow(answer, {
    ok:
      (status === 'cancelled' || (isActive && over !== 'yes' && !isSurelyPaid(booking))) &&
      ((body) => {
        expect(body).toEqual({ reservation: { id, status: 'cancelled' } })
        if (!isActive) return
        booking.status = 'cancelled'
        booking.isAtRest = false
        booking.intents.forEach(cancelOpen)
      }),
    HOLD_EXPIRED:
      (status === 'expired' || (isActive && over !== 'no' && !isSurelyPaid(booking))) &&
      // Paid at Stripe behind our back, too late: it may be confirmed yet.
      (() => !isPaid && !isGone(booking) && !booking.isConverted && settle(booking, 'expired')),
    INVALID_HOLD_STATUS:
      (status === 'confirmed' || (isPaid && status !== 'cancelled')) && (() => settle(booking, 'confirmed')),
  })
}

export function at<T>(list: readonly T[], index: number): T {
  const one = list[index % list.length]
  if (one === undefined) throw new Error('there is nothing to choose from')
  return one
}
