import { withClock } from './clock.ts'
import { startCluster } from './cluster.ts'
import { checkEnding } from './ending.ts'
import { BrokenPromise, createChecks } from './promises.ts'
import { inviteGuests, makeTrouble } from './scene.ts'
import { createWorld, type World } from './world.ts'

/** One story: some guests, some trouble, and then peace until nothing is left to be done. */
export interface Story {
  readonly seed: number
  /** What went wrong, if anything did. */
  readonly error: unknown
  readonly lines: readonly string[]
  readonly steps: number
  /** From the last thing that came from outside to the last that changed anything. */
  readonly quietMs: number
  /** How reservations ended, and how many of them each way. */
  readonly endings: Readonly<Record<string, number>>
}

/**
 * How soon after the last thing that came from outside (a guest, a payment, the end of a hold, the end of the trouble) all
 * is done. A message that failed is tried again after ten minutes at the latest, and what the watchdog repeats comes after
 * a pause as long as the trouble lasted at most; a few of these may follow one another.
 */
const quietWithinMs = 30 * 60_000
const stepLimit = 100_000

export async function tellStory(seed: number, options = { withTraces: false }): Promise<Story> {
  const world = createWorld(seed)
  const progress = { steps: 0, changedAt: 0 }
  let error: unknown
  try {
    await withClock(world.clock, options.withTraces, () => run(world, progress))
  } catch (caught) {
    error = caught
  }
  const quietMs = Math.max(0, progress.changedAt - lastStimulus(world))
  return { seed, error, lines: world.story, steps: progress.steps, quietMs, endings: endingsOf(world) }
}

async function run(world: World, progress: { steps: number; changedAt: number }): Promise<void> {
  const { clock, loops, faults, random } = world
  const check = createChecks(world)
  const cluster = startCluster(world)
  const troubleMs = random.between(30, 300) * 1_000
  world.tell(`trouble for ${troubleMs / 1_000} s: ${JSON.stringify(faults, someDigits)}`)
  makeTrouble(world, cluster, troubleMs)
  inviteGuests(world)
  for (;;) {
    const [event, turn] = [clock.nextAt(), loops.nextAt()]
    if (event === undefined && turn === undefined) break
    if (turn === undefined || (event !== undefined && event <= turn)) await clock.step()
    else await loops.step()
    if (check()) progress.changedAt = clock.now()
    progress.steps += 1
    if (progress.steps > stepLimit || clock.now() > lastStimulus(world) + quietWithinMs)
      throw new BrokenPromise(
        `not quiet ${sinceStimulus(world)} s after the last thing that came from outside, ${progress.steps} steps`,
      )
  }
  checkEnding(world)
}

function lastStimulus({ stimuli, tables }: World): number {
  let last = stimuli.last
  for (const { holdExpiresAt } of tables.reservation.reservations.all()) last = Math.max(last, holdExpiresAt.getTime())
  return last
}

const sinceStimulus = (world: World) => Math.round((world.clock.now() - lastStimulus(world)) / 1_000)

function endingsOf({ tables }: World): Record<string, number> {
  const endings: Record<string, number> = {}
  for (const { status, outcome } of tables.reservation.reservations.all()) {
    const ending = outcome ? `${status}, ${outcome}` : status
    endings[ending] = (endings[ending] ?? 0) + 1
  }
  return endings
}

const someDigits = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(3)) : value)
