import { randomUUID } from 'node:crypto'
import type { Route } from '@holdfast/contracts/route'
import type { Databases } from '@holdfast/operations/databases'
import { eventually } from '@holdfast/testing/facts'
import type { Answer, CallOptions } from '../support/api.ts'
import { expectError } from '../support/errors.ts'
import { anExperience, aTimeSlot, aUser } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { discounts, type Experience, type Model, type Slot, type Span } from './model.ts'

/** The real side of a run, and how its answers are held against the model's. */
export interface World {
  readonly stack: TestStack
  readonly databases: Databases
  readonly counts: Counts
}
export interface Counts {
  /** Something has failed in an earlier run: this one makes it smaller. */
  hasFailed: boolean
  readonly byCommand: Map<string, number>
  readonly byAnswer: Map<string, number>
}

export const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)

const day = 86_400_000

/** Users, experiences and slots of its own: runs have nothing to do with one another. */
export async function newModel(stack: TestStack, isAlone: boolean): Promise<Model> {
  const maxGuests = 6
  const offered = async (holdSeconds: number, pricePerGuest: number): Promise<Experience> => {
    const { id } = await anExperience(stack, { holdSeconds, pricePerGuest, maxGuests, discounts })
    return { id, holdSeconds, maxGuests, pricePerGuest }
  }
  const slotOf = async (experience: Experience, leadDays: number, capacity: number): Promise<Slot> => {
    const startsAt = new Date(Date.now() + leadDays * day).toISOString()
    const endsAt = new Date(Date.now() + (leadDays + 1) * day).toISOString()
    const { id } = await aTimeSlot(stack, experience.id, { startsAt, endsAt, capacity })
    const [prices, capacities] = [new Set([experience.pricePerGuest]), new Set([capacity])]
    return { id, experience, isEarly: leadDays >= 30, capacity, isOpen: true, pricePerGuest: null, prices, capacities }
  }
  const [long, short] = await Promise.all([offered(900, 3_333), offered(2, 9_995)])
  const slots = await Promise.all([slotOf(long, 40, 8), slotOf(long, 10, 6), slotOf(short, 40, 5)])
  const users = [aUser(), aUser(), aUser()]
  const wallets = new Map(users.map((user) => [user, { cards: [], coming: new Map() }]))
  return { isAlone, isCutOff: false, users, slots, bookings: [], wallets, answers: new Map() }
}

/**
 * Asks as a client does: a 503 and a key in use mean "come again", with the same key. How long it took says what the
 * clock can have been when it was decided.
 */
export async function ask<R extends Route>(
  world: World,
  route: R,
  options: CallOptions<R>,
): Promise<{ answer: Answer; span: Span }> {
  const key = options.key ?? (route.idempotency === 'required' ? randomUUID() : undefined)
  const from = Date.now()
  const answer = await eventually(
    `${route.method} ${route.url} is answered`,
    async () => {
      const given = await world.stack.api.call(route, { ...options, ...(key !== undefined && { key }) })
      count(world.counts.byAnswer, `${route.method} ${route.url} ${codeOf(given)}`)
      return given.status !== 503 && codeOf(given) !== 'IDEMPOTENCY_KEY_IN_USE' && given
    },
    30_000,
  )
  return { answer, span: { from, to: Date.now() } }
}

type Code = Parameters<typeof expectError>[1]
export const codeOf = ({ status, body }: Answer): 'ok' | Code => (status < 400 ? 'ok' : (body as { error: Code }).error)

/** What may be answered, and what the model makes of it. */
// biome-ignore lint/suspicious/noExplicitAny: each reads the body of its own route
export type Allowed = { [K in 'ok' | Code]?: ((body: any) => void) | false }

/** The answer is one of those that are right; the model follows it. */
export function follow(answer: Answer, allowed: Allowed): void {
  const code = codeOf(answer)
  const then = allowed[code]
  if (!then) {
    const right = Object.keys(allowed).filter((name) => allowed[name as Code])
    throw new Error(`answered ${answer.status} ${JSON.stringify(answer.body)}; right would be: ${right.join(', ')}`)
  }
  if (code !== 'ok') expectError(answer, code, (answer.body as { details?: unknown }).details)
  then(answer.body)
}

export const nothing = () => {}
