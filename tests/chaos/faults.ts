import type { Random } from '../simulation/random.ts'
import type { Fault } from './fault.ts'
import { processFaults } from './fault-processes.ts'
import { serverFaults } from './fault-servers.ts'
import { stripeFaults } from './fault-stripe.ts'
import { wireFaults } from './fault-wires.ts'

export const allFaults: readonly Fault[] = [...processFaults, ...serverFaults, ...wireFaults, ...stripeFaults]

/** Those whose names begin like one of these. */
export function faultsNamed(names: readonly string[]): readonly Fault[] {
  if (names.length === 0) return allFaults
  for (const name of names)
    if (!allFaults.some((fault) => fault.name.startsWith(name)))
      throw new Error(`No fault begins with "${name}". There are:\n${allFaults.map((fault) => fault.name).join('\n')}`)
  return allFaults.filter((fault) => names.some((name) => fault.name.startsWith(name)))
}

/** In a new order each time round, so that all of them come before one comes again. */
export function dealer(faults: readonly Fault[], random: Random): (beside?: Fault) => Fault {
  let deck: Fault[] = []
  let isFirst = true
  return (beside) => {
    if (deck.length === 0) {
      deck = shuffled(
        faults.filter(({ once }) => isFirst || once === undefined),
        random,
      )
      isFirst = false
    }
    const at = deck.findLastIndex((fault) => !beside || canBeTogether(fault, beside))
    // If there are only such as come once, they come again.
    return deck.splice(at, at < 0 ? 0 : 1)[0] ?? random.pick(faults)
  }
}

/** Stripe takes no orders about its webhooks while it is away. */
const isStripes = ({ name }: Fault) => /^(stripe|webhooks)/.test(name)
const canBeTogether = (one: Fault, other: Fault) => !(isStripes(one) && isStripes(other))

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
