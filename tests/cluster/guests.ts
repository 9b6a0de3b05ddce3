import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { issueToken } from '@holdfast/local/issue-token'
import type { StackFile } from '@holdfast/local/stack-file'
import { eventually } from '@holdfast/testing/facts'
import { type Answer, apiAt } from '../support/api.ts'
import { cards, stripeJs } from '../support/stripe-js.ts'

/** Guests who book without end, as patient clients do: the same request with the same key until it goes well. */
export interface Guests {
  /** Bookings that came to their end, by what that was. */
  readonly ended: { confirmed: number; expired: number }
  /** Requests that were answered with "later", and were made again. */
  readonly refused: number
  /** Of whole bookings, in seconds. */
  readonly slowest: number
  /** Resolves with the seconds it took, when a booking that begins now is confirmed. */
  bookOnce(): Promise<number>
  /** No new bookings; resolves when the last has ended, rejects if one could not. */
  leave(): Promise<void>
}

const operator = 'operator'
const dayMs = 86_400_000
/** A node that is away and comes back, and a busy machine. */
const patienceMs = 90_000
/** Every third guest only looks. */
const lookers = 3

export async function sendGuests(stack: StackFile, count: number): Promise<Guests> {
  const token = tokens(stack.issuerUrl)
  const api = apiAt(stack.gatewayUrl, token)
  const stripe = stripeJs(stack.stripeUrl, stack.stripePublishableKey)
  const ended = { confirmed: 0, expired: 0 }
  let refused = 0
  let slowest = 0
  let leaving = false

  const [paid, brief] = await Promise.all([offer(900), offer(2)])

  async function offer(holdSeconds: number) {
    const body = { title: 'Sunset sail', timeZone: 'Europe/Lisbon', pricePerGuest: 10_000, holdSeconds }
    const { experience } = await api.ok(catalog.createExperience, { as: operator, body })
    const at = (days: number) => new Date(Date.now() + days * dayMs).toISOString()
    const slot = { startsAt: at(40), endsAt: at(40.1), capacity: 100_000 }
    const params = { id: experience.id }
    const { timeSlot } = await api.ok(catalog.createTimeSlot, { as: operator, params, body: slot })
    return { experienceId: experience.id, timeSlotId: timeSlot.id }
  }

  /** Until it goes well. What will never go well is not asked again. */
  const patiently = <Body>(what: string, ask: () => Promise<Answer>) =>
    eventually(
      what,
      async () => {
        const answer = await ask()
        if (answer.status === 200) return answer.body as Body
        if (answer.status < 500) return new Error(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`)
        refused += 1
        return false
      },
      patienceMs,
    ).then((found) => {
      if (found instanceof Error) throw found
      return found
    })

  type Held = { reservation: { id: string; status: string } }

  async function book(looksOnly: boolean): Promise<number> {
    const as = `guest-${randomUUID()}`
    const startedAt = Date.now()
    const guest = { numberOfGuests: 1, guestName: 'John Doe', guestEmail: 'john@example.com' }
    const body = { ...(looksOnly ? brief : paid), ...guest }
    const key = randomUUID()
    const held = await patiently<Held>('a hold', () => api.call(reservations.createHold, { as, key, body }))
    const { id } = held.reservation
    if (!looksOnly) {
      const converting = { as, key: `${key}-convert`, body: { holdId: id } }
      const converted = await patiently<{ paymentClientSecret: string }>('a convert', () =>
        api.call(reservations.convertHold, converting),
      )
      await stripe.confirmCardPayment(converted.paymentClientSecret, cards.success)
    }
    const end = looksOnly ? 'expired' : 'confirmed'
    await eventually(
      `${id} is ${end}`,
      async () => {
        const { body } = await api.call(reservations.getReservation, { as, params: { id } })
        return (body as Partial<Held>).reservation?.status === end
      },
      patienceMs,
    )
    ended[end] += 1
    const seconds = (Date.now() - startedAt) / 1_000
    slowest = Math.max(slowest, seconds)
    return seconds
  }

  async function bookOn(number: number): Promise<void> {
    while (!leaving) await book(number % lookers === lookers - 1)
  }

  const booking = Promise.all(Array.from({ length: count }, (_, number) => bookOn(number)))
  // Told when they leave.
  booking.catch(() => {})
  return {
    ended,
    get refused() {
      return refused
    },
    get slowest() {
      return slowest
    },
    bookOnce: () => book(false),
    leave: async () => {
      leaving = true
      await booking
    },
  }
}

function tokens(issuerUrl: string): (user: string) => Promise<string> {
  const known = new Map<string, Promise<string>>()
  return (user) => {
    const token = known.get(user) ?? issueToken(issuerUrl, user, user === operator)
    known.set(user, token)
    return token
  }
}
