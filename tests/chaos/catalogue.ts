import * as catalog from '@holdfast/contracts/routes/catalog'
import type { Options } from './options.ts'
import { operator, type Stage } from './stage.ts'

export interface Offer {
  readonly experienceId: string
  readonly timeSlotId: string
}

/** What guests can book: plenty of seats, plenty for a short time only, and slots with a handful for a dozen guests. */
export interface Catalogue {
  readonly probe: Offer
  offer(kind: 'usual' | 'short' | 'scarce', turn: number): Offer
}

const plenty = 100_000
const usualSlots = 5
const scarceSeats = 9
const guestsForScarceSlot = 12
/** As in plans.ts. */
const shareOfScarce = 0.14

/** Made before the first fault. */
export async function openCatalogue(stage: Stage, { holds, bookings }: Options): Promise<Catalogue> {
  const api = stage.gateway()
  async function open(holdSeconds: number, count: number, capacity: number): Promise<Offer[]> {
    const title = `Held for ${holdSeconds} s`
    const body = { title, timeZone: 'Europe/Lisbon', pricePerGuest: 10_000, holdSeconds }
    const { experience } = await api.ok(catalog.createExperience, { as: operator, body })
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
  const slots = {
    usual: await open(holds.usual, usualSlots, plenty),
    short: await open(holds.short, 1, plenty),
    scarce: await open(holds.scarce, Math.ceil((bookings * shareOfScarce) / guestsForScarceSlot), scarceSeats),
  }
  let scarceTurn = 0
  return {
    probe: probe as Offer,
    offer: (kind, turn) => {
      const of = slots[kind]
      const index = kind === 'scarce' ? Math.floor(scarceTurn++ / guestsForScarceSlot) : turn
      return of[index % of.length] as Offer
    },
  }
}

const day = 86_400_000
const times = () => ({
  startsAt: new Date(Date.now() + 40 * day).toISOString(),
  endsAt: new Date(Date.now() + 40.1 * day).toISOString(),
})
