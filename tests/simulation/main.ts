import { parseArgs } from 'node:util'
import { reasonOf } from '../../libs/contracts/src/errors.ts'
import { type Story, tellStory } from './story.ts'

/** `npm run simulate -- --seeds N --from S` runs N stories; `npm run simulate -- --seed S` tells one of them in full. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '10000' },
      from: { type: 'string', default: '1' },
      failures: { type: 'string', default: '1' },
    },
  })
  if (values.seed !== undefined) return tellOne(Number(values.seed))
  return tellMany(Number(values.from), Number(values.seeds), Number(values.failures))
}

async function tellOne(seed: number): Promise<number> {
  const story = await tellStory(seed, { withTraces: true })
  say(story.lines.join('\n'))
  say(verdict(story))
  return story.error ? 1 : 0
}

async function tellMany(from: number, seeds: number, failuresAtMost: number): Promise<number> {
  const startedAt = Date.now()
  const endings: Record<string, number> = {}
  const failed: Story[] = []
  let [steps, told, quietest] = [0, 0, 0]
  for (let seed = from; seed < from + seeds && failed.length < failuresAtMost; seed += 1) {
    const story = await tellStory(seed)
    told += 1
    steps += story.steps
    quietest = Math.max(quietest, story.quietMs)
    for (const [ending, count] of Object.entries(story.endings)) endings[ending] = (endings[ending] ?? 0) + count
    if (!story.error) continue
    failed.push(story)
    say(verdict(story))
  }
  const seconds = (Date.now() - startedAt) / 1_000
  say(`${told} stories, ${steps} steps in ${seconds.toFixed(1)} s; quiet after ${quietest / 1_000} s at the latest`)
  for (const [ending, count] of Object.entries(endings).sort()) say(`${String(count).padStart(9)} ${ending}`)
  const [shortest] = failed.sort((a, b) => a.lines.length - b.lines.length)
  if (!shortest) return 0
  say(`\nThe shortest of ${failed.length} that failed:\n${shortest.lines.join('\n')}\n${verdict(shortest)}`)
  return 1
}

function verdict({ seed, error, steps }: Story): string {
  if (!error) return `seed ${seed}: all promises kept in ${steps} steps`
  const stack = error instanceof Error && error.constructor.name !== 'BrokenPromise' ? `\n${error.stack}` : ''
  return `seed ${seed}: ${reasonOf(error)}${stack}\n  (npm run simulate -- --seed ${seed})`
}

const say = (line: string) => process.stdout.write(`${line}\n`)

process.exitCode = await main()
