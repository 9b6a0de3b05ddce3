import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, type Random } from '../simulation/random.ts'
import type { Catalogue } from './catalogue.ts'
import { type Diary, openDiary, type Tally } from './diary.ts'
import { guestOf } from './guest.ts'
import type { Options } from './options.ts'
import { type Plan, plans } from './plans.ts'
import type { Stage } from './stage.ts'

/** Guests that come at a steady rate, whatever happens, as guests do. */
export interface Traffic {
  readonly diaries: readonly Diary[]
  readonly tally: Tally
  /** When the last guest has come. */
  readonly allCame: Promise<void>
  /** When every guest has gone. */
  readonly allGone: Promise<void>
}

export function startTraffic(stage: Stage, catalogue: Catalogue, options: Options, signal: AbortSignal): Traffic {
  const diaries: Diary[] = []
  const tally: Tally = new Map()
  const visits: Promise<void>[] = []
  const random = createRandom(options.seed)
  const deck = plans.flatMap((plan) => Array.from({ length: plan.share }, () => plan))

  async function come(): Promise<void> {
    const startedAt = Date.now()
    const everyMs = (options.minutes * 60_000) / options.bookings
    for (let n = 0; n < options.bookings && !signal.aborted; n += 1) {
      await sleep(Math.max(0, startedAt + n * everyMs - Date.now()))
      // A guest's own random: what it does must not depend on how fast others were.
      visits.push(visit(n, random.pick(deck), createRandom(random.between(0, 2 ** 31))))
    }
  }

  async function visit(n: number, plan: Plan, own: Random): Promise<void> {
    const diary = openDiary(plan.name, `guest-${n}`)
    diaries.push(diary)
    const guest = guestOf(stage, diary, tally)
    try {
      if (await guest.hold(catalogue.offer(plan.offer), own.between(1, 3))) await plan.act(guest, own)
    } catch (error) {
      diary.wrong.push(`the guest stumbled: ${error instanceof Error ? error.stack : error}`)
    }
    guest.end('left')
  }

  const allCame = come()
  const allGone = allCame.then(async () => {
    await Promise.all(visits)
  })
  return { diaries, tally, allCame, allGone }
}
