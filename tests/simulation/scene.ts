import { derivedId } from '../../libs/runtime/src/derived-id.ts'
import type { Cluster } from './cluster.ts'
import { noFaults, someOutages } from './faults.ts'
import { type Visit, visit } from './guest.ts'
import { bankMayRefuse } from './stripe-door.ts'
import type { World } from './world.ts'

/** What a story begins with: slots, guests and their times, and what goes wrong until the trouble is over. */

const guestNames = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace'] as const
const arrivalsMs = 200_000

export function openSlots({ tables, random, clock }: World): Omit<Visit, 'userId' | 'guests' | 'nth'>[] {
  const createdAt = new Date().toISOString()
  return Array.from({ length: random.between(1, 2) }, (_, n) => {
    const [id, experienceId] = [derivedId(`slot ${n}`), derivedId(`experience ${n}`)]
    const capacity = random.between(2, 4)
    const holdSeconds = random.pick([10, 30, 90])
    // Some begin while they are being booked: late money finds no seats there.
    const startsAt = clock.now() + (random.chance(0.2) ? random.between(100, 300) : 86_400) * 1_000
    const times = { startsAt: new Date(startsAt).toISOString(), endsAt: new Date(startsAt + 3_600_000).toISOString() }
    const pricePerGuest = random.chance(0.1) ? 0 : 5_000
    const shared = { pricePerGuest, currency: 'usd' }
    const sums = { capacity, held: 0, booked: 0 }
    tables.inventory.slots.put(id, {
      ...{ id, ...sums },
      experience: {
        ...{ id: experienceId, title: 'Sunset sail', description: '', timeZone: 'UTC', ...shared, holdSeconds },
        ...{ maxGuests: null, discounts: [], status: 'active', createdAt, updatedAt: createdAt },
      },
      timeSlot: { id, experienceId, ...times, ...sums, available: capacity, status: 'open', ...shared },
    })
    return { slotId: id, experienceId, holdSeconds }
  })
}

export function inviteGuests(world: World): void {
  const { clock, random } = world
  const slots = openSlots(world)
  for (let n = random.between(1, 6); n > 0; n -= 1) {
    const wish = { ...random.pick(slots), userId: random.pick(guestNames), guests: random.between(1, 3), nth: n }
    clock.after(random.between(0, arrivalsMs), () => world.start(visit(world, wish)))
  }
}

/** Parts go away and come back, processes are killed, the broker is wiped; after `troubleMs` all of that is over. */
export function makeTrouble(world: World, cluster: Cluster, troubleMs: number): void {
  const { clock, random, faults, away } = world
  for (const { part, at, ms } of someOutages(random, troubleMs)) {
    clock.after(at, () => {
      world.tell(`${part} is away for ${Math.round(ms / 1_000)} s`)
      away.add(part)
    })
    clock.after(Math.min(at + ms, troubleMs), () => away.delete(part))
  }
  const often = (most: number) => (random.chance(0.4) ? random.between(1, most) : 0)
  for (let n = often(6); n > 0; n -= 1) clock.after(random.between(0, troubleMs), cluster.killOne)
  for (let n = often(3); n > 0; n -= 1) clock.after(random.between(0, troubleMs), world.bus.wipe)
  for (let n = often(2); n > 0; n -= 1) clock.after(random.between(0, troubleMs * 2), () => meddle(world))
  clock.after(troubleMs, () => {
    Object.assign(faults, noFaults())
    away.clear()
    world.tell('the trouble is over')
    world.peace.since = clock.now()
    world.stimulus()
  })
}

/**
 * What other people do at Stripe: give money back, which a bank may send back again, cancel an intent, have one paid that our own
 * record has lost.
 */
function meddle(world: World): void {
  const { stripe, random } = world
  const intents = [...stripe.intents.values()]
  if (intents.length === 0) return
  const intent = random.pick(intents)
  world.stimulus()
  if (intent.status === 'succeeded' && intent.refunded < intent.amount) {
    const refund = stripe.refund(intent, null, random.chance(0.5) ? intent.amount : 1_000)
    if (refund.amount === intent.amount) bankMayRefuse(world, refund)
  } else if (!stripe.isPayable(intent)) return
  else if (intent.isOrphan || random.chance(0.3)) stripe.confirm(intent, 'good')
  else stripe.cancel(intent)
}
