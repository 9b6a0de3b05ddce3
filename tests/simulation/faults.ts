import type { Random } from './random.ts'

/** How likely each kind of trouble is, at each opportunity. */
export interface Faults {
  /** At each step boundary of a process. */
  crash: number
  /** A step takes seconds. */
  slow: number
  reorder: number
  drop: number
  duplicate: number
  confirm: number
  connection: number
  stripe: number
  /** Stripe fails by itself, and keeps that for the idempotency key. */
  spent: number
  webhook: number
  /** A bank sends our refund back. */
  refund: number
}

const worst: Faults = {
  ...{ crash: 0.03, slow: 0.1, reorder: 0.4, drop: 0.25, duplicate: 0.3, confirm: 0.1, connection: 0.05 },
  ...{ stripe: 0.2, spent: 0.1, webhook: 0.5, refund: 1 },
}

const kinds = Object.keys(worst) as (keyof Faults)[]
export const noFaults = (): Faults => Object.assign({ ...worst }, Object.fromEntries(kinds.map((kind) => [kind, 0])))

/** Each story has its own few kinds: all at once, everything fails at its first step and nothing interesting is reached. */
export function someFaults(random: Random): Faults {
  const faults = noFaults()
  for (const kind of kinds) if (random.chance(0.4)) faults[kind] = worst[kind] * random.next()
  return faults
}

export type Part = 'broker' | 'stripe' | 'reservation' | 'inventory' | 'payment'

export interface Outage {
  readonly part: Part
  readonly at: number
  readonly ms: number
}

/** Parts that are away for a while, some for longer than the seats wait for Stripe. */
export function someOutages(random: Random, lastMs: number): Outage[] {
  const parts: readonly Part[] = ['broker', 'stripe', 'stripe', 'reservation', 'inventory', 'payment']
  return Array.from({ length: random.chance(0.5) ? random.between(1, 3) : 0 }, () => {
    const part = random.pick(parts)
    const longestMs = part === 'stripe' || random.chance(0.3) ? 200_000 : 20_000
    return { part, at: random.between(0, lastMs), ms: random.between(1_000, longestMs) }
  })
}
