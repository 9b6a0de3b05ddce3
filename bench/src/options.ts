import { parseArgs } from 'node:util'
import { parseReplicas } from '@holdfast/local/plan'
import { z } from 'zod'

const parts = ['single', 'crowd', 'spread', 'convert'] as const
export type Part = (typeof parts)[number]

export interface Options {
  /** The gateway of a stack that runs already; without it, one is started. */
  readonly url: string | undefined
  readonly seconds: number
  /** Unmeasured, before all else: a service compiles what it does often, which takes it some thousand requests. */
  readonly warmup: number
  readonly connections: number
  readonly slots: number
  readonly rounds: number
  /** What to measure. */
  readonly only: readonly Part[]
  readonly replicas: ReturnType<typeof parseReplicas>
  /** Where the figures go as JSON. */
  readonly out: string | undefined
  /** A folder for CPU profiles of the services. */
  readonly profile: string | undefined
}

export const usage = `Usage: npm run bench -- [options]
  --seconds 10        how long each load lasts
  --warmup 15         seconds of load before anything is measured
  --connections 64    buyers at the same time
  --slots 50          over how many slots the spread load is spread
  --rounds 3          how often everything is measured; the best round is shown, all are in the JSON
  --only crowd,spread  some of ${parts.join(', ')}
  --replicas reservation=2,inventory=2
  --url URL           the gateway of a running stack, the one of $HOLDFAST_HOME/stack.json
  --out FILE          the figures as JSON
  --profile FOLDER    CPU profiles of the services, and where their time went`

export function parseOptions(args: string[]): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args,
    options: {
      ...{ url: text, out: text, profile: text, replicas: text },
      seconds: { ...text, default: '10' },
      warmup: { ...text, default: '15' },
      connections: { ...text, default: '64' },
      slots: { ...text, default: '50' },
      rounds: { ...text, default: '3' },
      only: { ...text, default: parts.join(',') },
    },
  })
  if (values.url !== undefined && (values.replicas !== undefined || values.profile !== undefined))
    throw new Error('--replicas and --profile are for a stack that is started here, not for --url')
  return {
    url: values.url,
    out: values.out,
    profile: values.profile,
    replicas: parseReplicas(values.replicas),
    seconds: count('--seconds', values.seconds, 600),
    warmup: count('--warmup', values.warmup, 600),
    connections: count('--connections', values.connections, 1_000),
    slots: count('--slots', values.slots, 1_000),
    only: z.array(z.enum(parts)).parse(values.only.split(',')),
    rounds: count('--rounds', values.rounds, 100),
  }
}

function count(name: string, text: string, max: number): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > max) throw new Error(`${name} is a number from 1 to ${max}`)
  return number
}
