import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import { cards } from '../support/stripe-js.ts'
import type { OfferKind } from './catalogue.ts'
import type { Conversion, Guest } from './guest.ts'

/** What guests do, and how many of a hundred do so. */
export interface Plan {
  readonly name: string
  readonly share: number
  readonly offer: OfferKind
  act(guest: Guest, random: Random): Promise<void>
}

export const plans: readonly Plan[] = [
  {
    name: 'pays',
    share: 19,
    offer: 'usual',
    act: async (guest, random) => {
      const conversion = await guest.convert({ savePaymentMethod: random.chance(0.2) })
      if (conversion) await payAndSee(guest, random, conversion)
    },
  },
  {
    name: 'competes for few seats',
    share: 14,
    offer: 'scarce',
    act: async (guest, random) => {
      const conversion = await guest.convert()
      // Some let it go, so that others find seats that were taken.
      if (random.chance(0.25)) await guest.release()
      else if (conversion && random.chance(0.85)) await payAndSee(guest, random, conversion)
    },
  },
  {
    name: 'pays with a saved card',
    share: 10,
    offer: 'usual',
    act: async (guest, random) => {
      const conversion = await convertWithSaved(guest, cards.success)
      if (!conversion) return
      guest.diary.paid.add(conversion.intentId)
      await seeHowItEnds(guest, random, conversion)
    },
  },
  {
    name: '3D Secure',
    share: 8,
    offer: 'usual',
    act: async (guest, random) => {
      const conversion = await guest.convert()
      if (!conversion) return
      if ((await guest.pay(conversion, cards.threeDSecure)) === 'requires_action') await guest.authenticate(conversion)
      await seeHowItEnds(guest, random, conversion)
    },
  },
  {
    name: '3D Secure with a saved card',
    share: 4,
    offer: 'usual',
    act: async (guest, random) => {
      const conversion = await convertWithSaved(guest, cards.threeDSecure)
      if (!conversion) return
      if (conversion.requiresAction) await guest.authenticate(conversion)
      await seeHowItEnds(guest, random, conversion)
    },
  },
  {
    name: 'declined, then tries again',
    share: 9,
    offer: 'usual',
    act: async (guest, random) => {
      const first = await guest.convert()
      if (!first) return
      await guest.pay(first, random.pick([cards.declined, cards.insufficientFunds]))
      const again = random.chance(0.5) ? await guest.convert() : first
      if (again) await payAndSee(guest, random, again)
    },
  },
  {
    name: 'two tabs',
    share: 5,
    offer: 'usual',
    act: async (guest, random) => {
      const [one, other] = await Promise.all([guest.convert(), guest.convert()])
      const conversions = [one, other].filter((conversion) => conversion !== undefined)
      await Promise.all(conversions.map((conversion) => guest.pay(conversion, cards.success)))
      const [first] = conversions
      if (first) await seeHowItEnds(guest, random, first)
    },
  },
  {
    name: 'gives back before paying',
    share: 7,
    offer: 'usual',
    act: async (guest, random) => {
      if (random.chance(0.6)) await guest.convert()
      await guest.release()
    },
  },
  {
    name: 'pays and gives back at once',
    share: 3,
    offer: 'usual',
    act: async (guest) => {
      const conversion = await guest.convert()
      if (!conversion) return
      await Promise.all([guest.pay(conversion, cards.success), guest.release()])
      await guest.poll()
    },
  },
  {
    name: 'goes away',
    share: 5,
    offer: 'short',
    act: async (guest, random) => {
      if (random.chance(0.6)) await guest.convert()
      guest.end('went away')
    },
  },
  {
    name: 'pays when its time ends',
    share: 5,
    offer: 'short',
    act: async (guest, random) => {
      const conversion = await guest.convert()
      if (!conversion) return
      await guest.untilHoldEnds(random.between(-1_200, 1_200))
      await payAndSee(guest, random, conversion)
    },
  },
  {
    // Refused, unless Stripe could not be told in time that it is over. Then the seats may be somebody else's.
    name: 'pays much too late',
    share: 6,
    offer: 'short and scarce',
    act: async (guest, random) => {
      const conversion = await guest.convert()
      if (!conversion) return
      await guest.untilHoldEnds(random.between(10_000, 16_000))
      await guest.pay(conversion, cards.success)
      await guest.poll()
    },
  },
  {
    name: 'takes what others let go',
    share: 5,
    offer: 'short and scarce',
    act: async (guest, random) => {
      const conversion = await guest.convert()
      if (conversion) await payAndSee(guest, random, conversion)
    },
  },
]

/** Of all guests, those who want such seats. */
export const shareOf = (kind: OfferKind): number =>
  plans.filter(({ offer }) => offer === kind).reduce((sum, { share }) => sum + share, 0) / 100

/** Nothing when the card could not be saved, or the hold not converted. */
async function convertWithSaved(guest: Guest, card: string): Promise<Conversion | undefined> {
  const paymentMethodId = await guest.saveCard(card)
  if (paymentMethodId !== undefined) return guest.convert({ paymentMethodId })
  guest.end('saving the card: gave up')
  return undefined
}

async function payAndSee(guest: Guest, random: Random, conversion: Conversion): Promise<void> {
  await guest.pay(conversion, cards.success)
  await seeHowItEnds(guest, random, conversion)
}

/** Some ask to confirm, some poll, some close the window. */
async function seeHowItEnds(guest: Guest, random: Random, conversion: Conversion): Promise<void> {
  const way = random.pick(['confirm', 'poll', 'poll', 'nothing'] as const)
  if (way === 'nothing') return guest.end('closed the window')
  if (way === 'confirm') await guest.confirm(conversion)
  if (!guest.diary.confirmed) await guest.poll()
  if (guest.diary.confirmed && random.chance(0.3)) {
    await sleep(random.between(500, 5_000))
    await guest.poll()
  }
}
