/** What a new stack offers: three experiences that show off the rules, and when they take place. */
export const demoExperiences = [
  {
    title: 'Sunrise kayaking on the fjord',
    description: 'Two hours on still water before the ferries wake up. Dry suits, hot chocolate and a guide included.',
    timeZone: 'Europe/Oslo',
    currency: 'usd',
    pricePerGuest: 10_000,
    maxGuests: 12,
    discounts: [
      { type: 'group_5_plus', kind: 'group', minGuests: 5, percent: 15 },
      { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
    ],
  },
  {
    title: 'Hand-pulled noodles: a cooking class',
    description: 'Flour, water and patience. You eat what you pull.',
    timeZone: 'America/New_York',
    currency: 'usd',
    pricePerGuest: 6_500,
    maxGuests: 8,
    discounts: [{ type: 'group_5_plus', kind: 'group', minGuests: 5, percent: 15 }],
  },
  {
    title: 'Night walk with an astronomer',
    description: 'A hill, a telescope, no street lamps. Blankets are provided; clouds are not refunded.',
    timeZone: 'Atlantic/Canary',
    currency: 'eur',
    pricePerGuest: 4_000,
    maxGuests: 20,
    discounts: [{ type: 'early_bird', kind: 'early_bird', minLeadDays: 14, percent: 10 }],
  },
]

const daysAhead = [2, 5, 9, 16, 23, 35]
const dayMs = 24 * 3_600_000

/** A slot of two hours on each of the coming days, at 09:00 UTC. */
export function demoTimeSlots(now: Date, capacity: number): { startsAt: string; endsAt: string; capacity: number }[] {
  const midnight = Math.floor(now.getTime() / dayMs) * dayMs
  return daysAhead.map((days) => {
    const startsAt = midnight + days * dayMs + 9 * 3_600_000
    const endsAt = startsAt + 2 * 3_600_000
    return { startsAt: new Date(startsAt).toISOString(), endsAt: new Date(endsAt).toISOString(), capacity }
  })
}
