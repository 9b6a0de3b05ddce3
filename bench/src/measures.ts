import pg from 'pg'
import { type Catalogue, holdBody, type Offer } from './catalogue.ts'
import { costPerHold, cpuTimes } from './cpu.ts'
import { type Figures, type Measure, ratio } from './figures.ts'
import { underLoad } from './load.ts'
import { conversions, holdsInTurns } from './one-by-one.ts'
import type { Options, Part } from './options.ts'
import type { Stage } from './stage.ts'

/** What is measured, round after round. Each round books offers of its own, so that none is measured on fuller tables. */

export interface Bench {
  measured(): Measure[]
  /** Gateway over reservation itself, each within one round, so that a busy machine is busy for both. */
  ratios(): { latency: number | undefined; rate: number | undefined }
  /** Where the seats did not add up. Speed is measured here; this alone is right or wrong. */
  readonly faults: string[]
  warmUp(): Promise<void>
  round(say: (line: string) => void): Promise<void>
}

const tokensPerConnection = 10
const oneByOneShare = 0.5

export async function openBench(stage: Stage, catalogue: Catalogue, options: Options): Promise<Bench> {
  const { connections } = options
  const { gatewayUrl, databases, processes } = stage.stack
  const reservationUrl = processes.find(({ name }) => name === 'reservation')?.url ?? ''
  const tokens = await stage.tokens(connections * tokensPerConnection)
  const faults: string[] = []
  const measure = (name: string, by: Measure['by']): Measure => ({ name, by, rounds: [] })
  const gateway = measure('one hold after another', 'p50Ms')
  const direct = measure('  the same, past the gateway', 'p50Ms')
  const hotSlot = measure(`${connections} buyers on one slot`, 'perSecond')
  const hotSlotDirect = measure('  the same, past the gateway', 'perSecond')
  const spread = measure(`${connections} buyers on ${options.slots} slots`, 'perSecond')
  const convert = measure('converting with a new card', 'p50Ms')
  const status = measure('payment status', 'p50Ms')

  async function load(base: string, slots: number, seconds = options.seconds): Promise<Figures> {
    const offers = await catalogue.offers(slots)
    const bodies = offers.map(holdBody)
    const before = cpuTimes(processes)
    const { figures, holds } = await underLoad({
      ...{ url: new URL('/v1/reservations/hold', base), tokens, connections, seconds },
      body: (n) => bodies[n % bodies.length] ?? '',
    })
    const cpuMs = costPerHold(before, cpuTimes(processes), holds)
    const fault = await doTheyAddUp(catalogue, databases.reservation, offers, holds)
    if (fault) faults.push(fault)
    return { ...figures, cpuMs }
  }

  const guests = { gatewayUrl, reservationUrl, tokens, seconds: Math.ceil(options.seconds * oneByOneShare) }
  const oneOffer = async () => (await catalogue.offers(1))[0] ?? { experienceId: '', timeSlotId: '' }
  const takes: Record<Part, () => Promise<void>> = {
    single: async () => {
      const turns = await holdsInTurns({ ...guests, offer: await oneOffer() })
      gateway.rounds.push(turns.gateway)
      direct.rounds.push(turns.direct)
    },
    crowd: async () => {
      hotSlot.rounds.push(await load(gatewayUrl, 1))
      hotSlotDirect.rounds.push(await load(reservationUrl, 1))
    },
    spread: async () => {
      spread.rounds.push(await load(gatewayUrl, options.slots))
    },
    convert: async () => {
      const converted = await conversions({ ...guests, offer: await oneOffer() })
      convert.rounds.push(converted.convert)
      status.rounds.push(converted.status)
    },
  }

  async function round(say: (line: string) => void): Promise<void> {
    for (const part of options.only) {
      say(part)
      await takes[part]()
    }
  }

  const warmUp = async () => {
    await load(gatewayUrl, 1, options.warmup)
  }
  const ratios = () => ({ latency: ratio('p50Ms', gateway, direct), rate: ratio('perSecond', hotSlot, hotSlotDirect) })
  const measures = [gateway, direct, hotSlot, hotSlotDirect, spread, convert, status]
  return { measured: () => measures.filter(({ rounds }) => rounds.length > 0), ratios, faults, warmUp, round }
}

/** Seats held at inventory, reservations at reservation, and holds that were answered: three times the same number. */
async function doTheyAddUp(
  catalogue: Catalogue,
  databaseUrl: string,
  offers: readonly Offer[],
  holds: number,
): Promise<string | undefined> {
  let held = 0
  for (const { timeSlotId } of offers) held += await catalogue.held(timeSlotId)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::int from reservation where time_slot_id = any ($1::uuid[]) and status = 'held'`,
      [offers.map(({ timeSlotId }) => timeSlotId)],
    )
    const reservations = rows[0]?.count
    if (held === holds && reservations === holds) return undefined
    return `${holds} holds were answered, ${held} seats are held and ${reservations} reservations exist`
  } finally {
    await client.end()
  }
}
