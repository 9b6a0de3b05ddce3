import { z } from 'zod'
import { demoExperiences, demoTimeSlots } from './demo-catalogue.ts'

const Experience = z.object({ id: z.string(), title: z.string(), maxGuests: z.number().nullish() })
const Slot = z.object({ id: z.string(), experienceId: z.string(), startsAt: z.string(), available: z.number() })
const Experiences = z.object({ experiences: z.array(Experience) })
const Created = z.object({ experience: Experience })
const Slots = z.object({ timeSlots: z.array(Slot) })

export interface Bookable {
  readonly experienceId: string
  readonly timeSlotId: string
  readonly title: string
}

const slotCapacity = 12

/**
 * Puts the demo catalogue into an empty one, and fresh time slots into one whose last has passed, through the very API
 * that operators use. Answers a slot that can be held, if there is any.
 */
export async function seed(
  gatewayUrl: string,
  operatorToken: string,
  say: (line: string) => void,
): Promise<Bookable | undefined> {
  const api = client(gatewayUrl, operatorToken)
  const now = new Date()
  let { experiences } = Experiences.parse(await api('GET', '/v1/experiences?limit=20'))
  if (experiences.length === 0) {
    for (const body of demoExperiences) Created.parse(await api('POST', '/v1/experiences', body))
    experiences = Experiences.parse(await api('GET', '/v1/experiences?limit=20')).experiences
    say(`Seeded the catalogue: ${experiences.map(({ title }) => title).join(' · ')}`)
  }
  const found = await bookable(api, experiences, now)
  if (found) return found
  for (const { id } of experiences.slice(0, demoExperiences.length)) {
    for (const slot of demoTimeSlots(now, slotCapacity)) await api('POST', `/v1/experiences/${id}/time-slots`, slot)
  }
  say('Added time slots in the coming weeks')
  return bookable(api, experiences, now)
}

type Api = (method: 'GET' | 'POST', path: string, body?: object) => Promise<unknown>

async function bookable(api: Api, experiences: z.infer<typeof Experience>[], now: Date): Promise<Bookable | undefined> {
  for (const { id, title } of experiences) {
    const query = new URLSearchParams({ from: now.toISOString(), limit: '20' })
    const { timeSlots } = Slots.parse(await api('GET', `/v1/experiences/${id}/time-slots?${query}`))
    const slot = timeSlots.find(({ available }) => available >= 2)
    if (slot) return { experienceId: id, timeSlotId: slot.id, title }
  }
  return undefined
}

function client(gatewayUrl: string, token: string): Api {
  return async (method, path, body) => {
    const response = await fetch(`${gatewayUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
    return response.json()
  }
}
