import type { World } from './world.ts'

/** One instance of a service: it takes time for what it does, and may die between any two steps. */
export interface Process {
  readonly name: string
  isAlive(): boolean
  /** What every input and output goes through: time passes, and whoever dies meanwhile never comes back. */
  pause(): Promise<void>
  /** A step boundary: whether it dies here. Whoever does must not go on (`forever`). */
  dies(where: string): boolean
  kill(why: string): void
  onDeath(mourn: () => void): void
}

/** A new one each time: reactions to a shared one would be kept for ever. */
export const forever = <T>(): Promise<T> => new Promise<T>(() => {})

const usualMs = 12
const slowMs = 4_000

export function createProcess(world: World, name: string): Process {
  const { clock, random, faults } = world
  const mourners: (() => void)[] = []
  let alive = true

  function kill(why: string): void {
    if (!alive) return
    alive = false
    world.tell(`${name} dies ${why}`)
    for (const mourn of mourners) mourn()
  }

  return {
    name,
    isAlive: () => alive,
    pause: async () => {
      if (!alive) return forever()
      await clock.sleep(random.chance(faults.slow) ? random.between(usualMs, slowMs) : random.between(0, usualMs))
      if (!alive) return forever()
    },
    dies: (where) => {
      if (alive && random.chance(faults.crash)) kill(where)
      return !alive
    },
    kill,
    onDeath: (mourn) => mourners.push(mourn),
  }
}
