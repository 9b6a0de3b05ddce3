/** `npm run demo`: the flow document's five test scenarios, told against a running stack. Exit code 1 if one was not true. */
import { parseArgs } from 'node:util'
import * as catalog from '@holdfast/contracts/routes/catalog'
import { createNarrator, StoryEnds } from './demo/narrator.ts'
import { type Scenario, scenarios } from './demo/scenarios.ts'
import { enterStage, operator, type Stage } from './demo/stage.ts'
import { createStory } from './demo/story.ts'

const startedAt = Date.now()
const narrator = createNarrator((text) => process.stdout.write(text))
const stopping = new AbortController()
// A stack that was started for the demo must not outlive it.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort())

try {
  // It takes none: a typing error must not pass for a story that was told.
  parseArgs({ options: {} })
  narrator.title('Holdfast: the five test scenarios of the API flow, as a guest lives them')
  const stage = await enterStage(narrator.say, stopping.signal)
  try {
    narrator.say(stage.description)
    await tellAll(stage)
  } finally {
    await stage.leave()
  }
} catch (error) {
  process.stderr.write(`${stopping.signal.aborted ? 'Stopped.' : reasonOf(error)}\n`)
  process.exitCode = 1
}

async function tellAll(stage: Stage): Promise<void> {
  const experiences: string[] = []
  const untrue: string[] = []
  for (const [index, scenario] of scenarios.entries()) {
    if (stopping.signal.aborted) break
    narrator.scenario(index + 1, scenario.title, scenario.plot)
    if (!(await isTrue(scenario, stage, experiences))) untrue.push(scenario.title)
  }
  await takeDown(stage, experiences)
  stopping.signal.throwIfAborted()
  const took = `${((Date.now() - startedAt) / 1_000).toFixed(1)} s`
  narrator.say('')
  if (untrue.length === 0) return narrator.title(`All ${scenarios.length} scenarios are true (${took}).`)
  narrator.title(`Not true: ${untrue.join(', ')} (${took}).`)
  process.exitCode = 1
}

async function isTrue(scenario: Scenario, stage: Stage, experiences: string[]): Promise<boolean> {
  const before = narrator.failures
  try {
    await scenario.tell(createStory(narrator, stage, experiences))
  } catch (error) {
    // A step that ended its story has said why.
    if (!(error instanceof StoryEnds)) narrator.fail(reasonOf(error))
  }
  return narrator.failures === before
}

/** The demo's experiences, and no others, leave the catalogue again; their bookings stay. */
async function takeDown({ api }: Stage, experiences: readonly string[]): Promise<void> {
  for (const id of experiences) {
    const archived = { as: operator, params: { id }, body: { status: 'archived' } }
    await api.ok(catalog.updateExperience, archived).catch((error: unknown) => narrator.fail(reasonOf(error)))
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return error.message + cause
}
