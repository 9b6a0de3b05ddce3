import type { Clock } from './clock.ts'
import { settled } from './clock.ts'
import type { Process } from './process.ts'

/**
 * The services' loops (libs/runtime/loop.ts): a round, a pause, a round. A turn that would find nothing due is left out,
 * for a story is minutes long and most of its turns find nothing: the loop comes when its first row is due, if its pause is
 * over by then.
 */
export interface Loops {
  add(process: Process, everyMs: number, dueAt: () => number | undefined, round: Round): { nudge(): void }
  /** When the next turn is that would find something. */
  nextAt(): number | undefined
  step(): Promise<void>
}

/** Says whether there is more to do at once. */
export type Round = () => Promise<boolean | undefined>

interface Loop {
  readonly process: Process
  readonly everyMs: number
  readonly dueAt: () => number | undefined
  readonly round: Round
  notBefore: number
  running: boolean
}

export function createLoops(clock: Clock): Loops {
  let loops: Loop[] = []

  function next(): { loop: Loop; at: number } | undefined {
    let first: { loop: Loop; at: number } | undefined
    for (const loop of loops) {
      if (loop.running || !loop.process.isAlive()) continue
      const dueAt = loop.dueAt()
      if (dueAt === undefined) continue
      const at = Math.max(dueAt, loop.notBefore, clock.now())
      if (!first || at < first.at) first = { loop, at }
    }
    return first
  }

  async function turn(loop: Loop): Promise<void> {
    loop.running = true
    // One that fails is logged and tried again at the next turn.
    const more = await loop.round().catch(() => false)
    loop.running = false
    loop.notBefore = clock.now() + (more ? 0 : loop.everyMs)
  }

  return {
    add: (process, everyMs, dueAt, round) => {
      loops = loops.filter(({ process }) => process.isAlive())
      const loop = { process, everyMs, dueAt, round, notBefore: clock.now(), running: false }
      loops.push(loop)
      return {
        nudge: () => {
          loop.notBefore = clock.now()
        },
      }
    },
    nextAt: () => next()?.at,
    step: async () => {
      const due = next()
      if (!due) return
      clock.moveTo(due.at)
      void turn(due.loop)
      await settled()
    },
  }
}
