import * as catalog from '@holdfast/contracts/routes/catalog'
import { eventually } from '@holdfast/testing/facts'
import type { Options } from './options.ts'
import { operator, type Stage } from './stage.ts'

export interface Offer {
  readonly experienceId: string
  readonly timeSlotId: string
}

/** Plenty of seats, or a handful for a dozen guests; held for the usual time, or for a short one. */
export type OfferKind = 'usual' | 'short' | 'scarce' | 'short and scarce'

/** What guests can book. */
export interface Catalogue {
  readonly probe: Offer
  offer(kind: OfferKind): Offer
}

const plenty = 100_000
const usualSlots = 5
/**
 * How few seats, for how many guests, and how many guests of other slots come between two of them. Some twenty seconds: then
 * the seats of a hold that ended are free again although its payment could not be closed, and are taken before it is made.
 */
const few = {
  scarce: { seats: 9, guests: 12, between: 0 },
  'short and scarce': { seats: 3, guests: 4, between: 10 },
} as const

/** Made before the first fault. */
export async function openCatalogue(
  stage: Stage,
  { holds, bookings }: Options,
  shareOf: (kind: OfferKind) => number,
): Promise<Catalogue> {
  const api = stage.gateway()
  async function open(holdSeconds: number, count: number, capacity: number): Promise<Offer[]> {
    const title = `Held for ${holdSeconds} s`
    const body = { title, timeZone: 'Europe/Lisbon', pricePerGuest: 10_000, holdSeconds }
    const { experience } = await insist(() => api.ok(catalog.createExperience, { as: operator, body }))
    const params = { id: experience.id }
    const slots: Offer[] = []
    while (slots.length < count) {
      const { timeSlot } = await api.ok(catalog.createTimeSlot, {
        as: operator,
        params,
        body: { ...times(), capacity },
      })
      slots.push({ experienceId: experience.id, timeSlotId: timeSlot.id })
    }
    return slots
  }
  const [probe] = await open(holds.usual, 1, plenty)
  const openFew = (kind: keyof typeof few, holdSeconds: number) =>
    open(holdSeconds, Math.ceil((bookings * shareOf(kind)) / few[kind].guests), few[kind].seats)
  const slots = {
    usual: await open(holds.usual, usualSlots, plenty),
    short: await open(holds.short, 1, plenty),
    scarce: await openFew('scarce', holds.scarce),
    'short and scarce': await openFew('short and scarce', holds.short),
  }
  const turns = new Map<OfferKind, number>()
  return {
    probe: probe as Offer,
    offer: (kind) => {
      const turn = turns.get(kind) ?? 0
      turns.set(kind, turn + 1)
      const index = kind === 'usual' || kind === 'short' ? turn : slotOf(turn, few[kind])
      return slots[kind][index % slots[kind].length] as Offer
    },
  }
}

/** Slots are filled side by side, as many at a time as it takes to keep the guests of each apart. */
function slotOf(turn: number, { guests, between }: (typeof few)[keyof typeof few]): number {
  const side = between + 1
  return Math.floor(turn / (guests * side)) * side + (turn % side)
}

/** On a machine that is just starting many processes at once. One too many of them is nobody's trouble. */
const insist = <T>(offer: () => Promise<T>) => eventually('it is on offer', offer, 60_000)

const day = 86_400_000
const times = () => ({
  startsAt: new Date(Date.now() + 40 * day).toISOString(),
  endsAt: new Date(Date.now() + 40.1 * day).toISOString(),
})
