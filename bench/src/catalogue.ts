import { z } from 'zod'
import { succeed } from './client.ts'

/** Experiences and slots to book, more roomy than any load can fill. */

export interface Offer {
  readonly experienceId: string
  readonly timeSlotId: string
}

const Experience = z.object({ experience: z.object({ id: z.string() }) })
const Slot = z.object({ timeSlot: z.object({ id: z.string(), held: z.int() }) })
const capacity = 1_000_000
const dayMs = 86_400_000

export function catalogueAt(gatewayUrl: string, operator: string) {
  const post = async (path: string, body: object) => {
    const outgoing = { method: 'POST' as const, url: new URL(path, gatewayUrl), token: operator }
    return JSON.parse((await succeed({ ...outgoing, body: JSON.stringify(body) })).body) as unknown
  }
  const experiences: string[] = []

  return {
    /** That many slots of one new experience. */
    async offers(count: number): Promise<Offer[]> {
      const discounts = [{ type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 }]
      const experience = { title: 'Benchmark', timeZone: 'UTC', pricePerGuest: 10_000, discounts }
      const { id: experienceId } = Experience.parse(await post('/v1/experiences', experience)).experience
      experiences.push(experienceId)
      const startsAt = Date.now() + 60 * dayMs
      const times = { startsAt: new Date(startsAt).toISOString(), endsAt: new Date(startsAt + dayMs / 8).toISOString() }
      const offers: Offer[] = []
      for (let n = 0; n < count; n++) {
        const slot = await post(`/v1/experiences/${experienceId}/time-slots`, { ...times, capacity })
        offers.push({ experienceId, timeSlotId: Slot.parse(slot).timeSlot.id })
      }
      return offers
    },
    async held(timeSlotId: string): Promise<number> {
      const url = new URL(`/v1/time-slots/${timeSlotId}`, gatewayUrl)
      return Slot.parse(JSON.parse((await succeed({ method: 'GET', url, token: operator })).body)).timeSlot.held
    },
    /** Out of sight again, for whoever measures the stack they work with. */
    async takeDown(): Promise<void> {
      const body = JSON.stringify({ status: 'archived' })
      for (const id of experiences)
        await succeed({ method: 'PATCH', url: new URL(`/v1/experiences/${id}`, gatewayUrl), token: operator, body })
    },
  }
}
export type Catalogue = ReturnType<typeof catalogueAt>

/** One seat a hold, so that seats and holds are the same number. */
export const holdBody = (offer: Offer): string =>
  JSON.stringify({ ...offer, numberOfGuests: 1, guestName: 'Bea Buyer', guestEmail: 'buyer@example.com' })
