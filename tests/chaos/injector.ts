import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, type Random } from '../simulation/random.ts'
import type { Fault, Injury } from './fault.ts'
import { dealer, faultsNamed } from './faults.ts'
import type { Options } from './options.ts'
import type { Probe } from './probe.ts'
import type { Stage } from './stage.ts'

/** One fault that happened, or two at once. */
export interface Incident {
  readonly faults: readonly { readonly name: string; readonly on: string }[]
  readonly at: Date
  readonly lastedMs: number
  /** From its end until a booking that began after it had gone well. undefined: not within the bound. */
  readonly recoveredMs: number | undefined
  /** Until whatever it befell was ready. */
  readonly readyMs: number | undefined
}

const chanceOfTwo = 0.2
/** No design bound: by then it is no recovery any more, on however busy a machine. */
const recoveryBoundMs = 120_000
const lookEveryMs = 50

/** Until told to stop; what has been injected is healed in any case. */
export async function injectFaults(
  stage: Stage,
  probe: Probe,
  options: Options,
  stop: AbortSignal,
  say: (line: string) => void,
): Promise<Incident[]> {
  const random = createRandom(options.seed + 1)
  const deal = dealer(faultsNamed(options.faults), random)
  const incidents: Incident[] = []
  let nextAt = Date.now() + options.everyMs
  while (await pause(nextAt - Date.now(), stop)) {
    nextAt = Date.now() + options.everyMs
    const first = deal()
    const chosen = random.chance(chanceOfTwo) ? [first, deal(first)] : [first]
    const incident = await happen(stage, probe, chosen, random)
    incidents.push(incident)
    say(tell(incident))
  }
  return incidents
}

async function happen(stage: Stage, probe: Probe, faults: readonly Fault[], random: Random): Promise<Incident> {
  const at = new Date()
  const happened: { name: string; injury: Injury }[] = []
  try {
    for (const { name, inject } of faults) happened.push({ name, injury: await inject(stage, random) })
    const longest = Math.max(...faults.map(({ lasts: [from, to] }) => random.between(from * 1_000, to * 1_000)))
    await sleep(longest)
  } finally {
    // In the order they came: what lets another be healed may be the first.
    for (const { injury } of happened) await injury.heal()
  }
  const healedAt = Date.now()
  const [recoveredMs, readyMs] = await Promise.all([
    probe.untilBooked(recoveryBoundMs),
    untilReady(happened.map(({ injury }) => injury)),
  ])
  return {
    faults: happened.map(({ name, injury }) => ({ name, on: injury.on })),
    at,
    lastedMs: healedAt - at.getTime(),
    ...{ recoveredMs, readyMs },
  }
}

async function untilReady(injuries: readonly Injury[]): Promise<number | undefined> {
  const startedAt = performance.now()
  while (performance.now() - startedAt < recoveryBoundMs) {
    const healed = await Promise.all(injuries.map((injury) => injury.hasHealed().catch(() => false)))
    if (healed.every(Boolean)) return performance.now() - startedAt
    await sleep(lookEveryMs)
  }
  return undefined
}

/** False: told to stop. */
async function pause(ms: number, stop: AbortSignal): Promise<boolean> {
  await sleep(Math.max(0, ms), undefined, { signal: stop }).catch(() => {})
  return !stop.aborted
}

function tell({ faults, at, lastedMs, recoveredMs }: Incident): string {
  const names = faults.map(({ name, on }) => `${name} (${on})`).join(' + ')
  const again =
    recoveredMs === undefined ? 'NOT bookable again in time' : `bookable again after ${seconds(recoveredMs)}`
  return `${at.toISOString().slice(11, 19)} ${names}, for ${seconds(lastedMs)}: ${again}`
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
