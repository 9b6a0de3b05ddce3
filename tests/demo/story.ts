import { randomUUID } from 'node:crypto'
import type { Route } from '@holdfast/contracts/route'
import * as catalog from '@holdfast/contracts/routes/catalog'
import type { TimeSlot } from '@holdfast/contracts/values'
import type { z } from 'zod'
import type { CallOptions, ErrorAnswer } from '../support/api.ts'
import type { Fields, Narrator } from './narrator.ts'
import { operator, type Stage } from './stage.ts'

/** The steps that scenarios are told in: calls of our API and of Stripe.js, each with its expectation and its meaning. */

interface Told {
  readonly says: string
  readonly means: string
  /** Asks again until it is as expected, at most this long: what happens by message takes a moment. */
  readonly withinMs?: number
}

interface Call<R extends Route> extends CallOptions<R>, Told {
  /** Of the answer, what matters here. */
  shows(body: z.output<R['reply']>, headers: Headers): Fields
  readonly expects: Fields
}

interface Refusal<R extends Route> extends CallOptions<R>, Told {
  readonly expects: { readonly status: number; readonly error: string }
}

export interface Story extends Pick<Narrator, 'say' | 'check'> {
  readonly guest: string
  /** A call that should go well. */
  calls<R extends Route>(route: R, call: Call<R>): Promise<z.output<R['reply']>>
  /** A call that should be refused. */
  isRefused<R extends Route>(route: R, call: Refusal<R>): Promise<void>
  /** Stripe.js in the guest's browser, or the bank's window. */
  browser(what: string, told: Told & { run(): Promise<Fields>; expects: Fields }): Promise<void>
  /** A slot of an experience of its own; nobody else's bookings get in between. */
  offer(changes?: { holdSeconds: number }): Promise<{ experienceId: string; timeSlotId: string }>
  seats(timeSlotId: string): Promise<Pick<TimeSlot, 'held' | 'booked' | 'available'>>
  readonly stripeJs: Stage['stripeJs']
}

const dayMs = 86_400_000

export function createStory(narrator: Narrator, { api, stripeJs }: Stage, experiences: string[]): Story {
  const guest = `demo-${randomUUID()}`

  return {
    guest,
    stripeJs,
    say: narrator.say,
    check: narrator.check,
    calls: (route, { says, means, withinMs, shows, expects, ...options }) =>
      narrator.step({
        ...{ says, means, withinMs, expects, verb: route.method, call: callText(route, options) },
        expectedCode: String(route.status ?? 200),
        run: async () => {
          const { status, headers, body } = await api.call(route, { as: guest, ...options })
          if (status !== (route.status ?? 200)) return { code: String(status), fields: errorFields(body) }
          const value = route.reply.parse(body) as z.output<(typeof route)['reply']>
          return { code: String(status), fields: shows(value, headers), value }
        },
      }),
    isRefused: async (route, { says, means, withinMs, expects, ...options }) => {
      await narrator.step({
        ...{ says, means, withinMs, verb: route.method, call: callText(route, options) },
        expectedCode: String(expects.status),
        expects: { error: expects.error },
        run: async () => {
          const { status, body } = await api.call(route, { as: guest, ...options })
          const isIt = status === expects.status
          return { code: String(status), fields: errorFields(body), ...(isIt && { value: true }) }
        },
      })
    },
    browser: async (what, { run, ...told }) => {
      await narrator.step({
        ...{ ...told, verb: 'Stripe', call: what, expectedCode: '→' },
        run: async () => ({ code: '→', fields: await run(), value: true }),
      })
    },
    offer: async (changes) => {
      const { experience } = await api.ok(catalog.createExperience, { as: operator, body: experienceOf(changes) })
      experiences.push(experience.id)
      const startsAt = Date.now() + 40 * dayMs
      const times = { startsAt: isoOf(startsAt), endsAt: isoOf(startsAt + dayMs / 8) }
      const body = { ...times, capacity: 10 }
      const params = { id: experience.id }
      const { timeSlot } = await api.ok(catalog.createTimeSlot, { as: operator, params, body })
      return { experienceId: experience.id, timeSlotId: timeSlot.id }
    },
    seats: async (id) => (await api.ok(catalog.getTimeSlot, { as: guest, params: { id } })).timeSlot,
  }
}

/** The flow document's example: two guests at 10,000 with 15 % and 10 % off. */
const experienceOf = (changes: { holdSeconds: number } | undefined) => ({
  title: 'Sunset sail (demo)',
  timeZone: 'Europe/Lisbon',
  pricePerGuest: 10_000,
  discounts: [
    { type: 'group_5_plus', kind: 'group', minGuests: 2, percent: 15 },
    { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
  ],
  ...changes,
})

const isoOf = (time: number) => new Date(time).toISOString()

/** `/v1/reservations/3f2a91bc…/payment-status`, and the key where the story gives one. */
function callText<R extends Route>(route: R, { params, key }: CallOptions<R>): string {
  const given = (params ?? {}) as Record<string, string>
  const path = route.url.replace(/:(\w+)/g, (_whole, name: string) => given[name] ?? '')
  return key === undefined ? path : `${path}  X-Idempotency-Key: ${key}`
}

function errorFields(body: unknown): Fields {
  const { error, message, details } = (body ?? {}) as Partial<ErrorAnswer>
  return { error, message, ...(details !== undefined && { details }) }
}
