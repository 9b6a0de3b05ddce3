import type { Logger } from '../../libs/runtime/src/logger.ts'
import type { WakeSettings } from '../../services/reservation/src/wake.ts'
import { type Bus, createBus } from './bus.ts'
import { type Clock, createClock } from './clock.ts'
import type { Server } from './database.ts'
import { type Faults, someFaults } from './faults.ts'
import { createLoops, type Loops, type Round } from './loops.ts'
import type { Process } from './process.ts'
import { createRandom, type Random } from './random.ts'
import type { ReservationService } from './reservation.ts'
import { createStore, type Store } from './store.ts'
import { createStripe, type Stripe, type StripeEvent } from './stripe.ts'
import type { Kept } from './stripe-door.ts'
import { createInventoryTables, type InventoryTables } from './tables-inventory.ts'
import { createPaymentTables, type PaymentTables } from './tables-payment.ts'
import { createReservationTables, type ReservationTables } from './tables-reservation.ts'

/** Everything there is in one story, but for the processes that run in it (service.ts). */
export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly faults: Faults
  readonly bus: Bus
  readonly stripe: Stripe
  readonly stripeKeys: Map<string, Kept>
  readonly logger: Logger
  readonly loops: Loops
  readonly settings: WakeSettings
  readonly servers: { readonly [Name in Databases]: Server }
  readonly tables: Tables
  /** Parts that are away now. */
  readonly away: Set<string>
  /** What Stripe has to say; whoever runs the story delivers it. */
  readonly events: { deliver: (event: StripeEvent) => void }
  readonly reservations: { any: () => ReservationService | undefined }
  readonly story: string[]
  /** Errors that are no answer to anybody: the story ends with them. */
  readonly surprises: unknown[]
  /** When something last came from outside: from then on all has to become quiet. */
  readonly stimuli: { last: number }
  /** When the last trouble was. */
  readonly peace: { since: number | undefined }
  stimulus(): void
  tell(line: string): void
  /** Whether this kind of trouble happens now. */
  fails(kind: keyof Faults): boolean
  isAway(part: string): boolean
  /** Lets something happen beside everything else. */
  start(work: Promise<unknown>): void
  loop(process: Process, everyMs: number, dueAt: () => number | undefined, round: Round): { nudge(): void }
}

export type Databases = 'reservation' | 'inventory' | 'payment'
export interface Tables {
  readonly reservation: ReservationTables
  readonly inventory: InventoryTables
  readonly payment: PaymentTables
}

/** Longer than its hold, an allocation is nobody's: audited after that. */
export const graceMs = 60_000
const begin = Date.UTC(2026, 0, 1, 12)

export function createWorld(seed: number): World {
  const clock = createClock(begin)
  const random = createRandom(seed)
  const faults = someFaults(random)
  // As by default (services/reservation/src/config.ts), but that seats often wait less long for Stripe: more money is late.
  const closeDeadlineMs = random.pick([15_000, 45_000, 120_000])
  const settings = { watchdogMs: 30_000, pollAfterMs: [30_000, 120_000, 600_000], closeDeadlineMs }
  const story: string[] = []
  const surprises: unknown[] = []
  const away = new Set<string>()
  const stimuli = { last: begin }
  const peace: World['peace'] = { since: undefined }
  const events: World['events'] = { deliver: () => {} }
  const tell = (line: string) => {
    story.push(`${((clock.now() - begin) / 1_000).toFixed(3).padStart(9)} s  ${line}`)
  }
  const stores = { reservation: createStore(), inventory: createStore(), payment: createStore() }
  const tables: Tables = {
    reservation: createReservationTables(stores.reservation, clock),
    inventory: createInventoryTables(stores.inventory, clock, graceMs),
    payment: createPaymentTables(stores.payment, clock),
  }
  const serverOf = (name: Databases, store: Store): Server => ({ name, store, statements: tables[name].statements })
  const loops = createLoops(clock)
  const world: Omit<World, 'bus'> & { bus: Bus } = {
    ...{ clock, random, faults, story, surprises, away, events, tables, loops, tell, stimuli, peace, settings },
    bus: undefined as never,
    stripe: createStripe(clock, (event) => events.deliver(event), tell),
    stripeKeys: new Map(),
    logger: silent,
    servers: {
      reservation: serverOf('reservation', stores.reservation),
      inventory: serverOf('inventory', stores.inventory),
      payment: serverOf('payment', stores.payment),
    },
    reservations: { any: () => undefined },
    stimulus: () => {
      stimuli.last = clock.now()
    },
    fails: (kind) => faults[kind] > 0 && random.chance(faults[kind]),
    isAway: (part) => away.has(part),
    start: (work) => {
      work.catch((error: unknown) => surprises.push(error))
    },
    loop: loops.add,
  }
  world.bus = createBus(world)
  return world
}

const nothing = () => {}
const silent = { info: nothing, warn: nothing, error: nothing, debug: nothing } as unknown as Logger
