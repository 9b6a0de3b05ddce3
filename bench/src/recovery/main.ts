/** `npm run recovery`: how fast messages travel, how soon what breaks is whole again, how late holds end. Measures and tells. */
import { writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { measureExpiry } from './expiry.ts'
import type { Fact } from './fact.ts'
import { measureHealing } from './healing.ts'
import { measureRelay } from './relay.ts'

const parts = ['relay', 'healing', 'cuts', 'expiry'] as const
const usage = `Usage: npm run recovery -- [options]
  --only relay,expiry  some of ${parts.join(', ')}
  --backlog 100000     messages that wait when the relay starts
  --cuts 1000          how often the socket to the broker is cut
  --holds 400          how many holds end, with the timeout service and without it
  --out FILE           the figures as JSON`

const print = (text: string) => process.stdout.write(`${text}\n`)

try {
  await run()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n${usage}\n`)
  process.exitCode = 1
}
// A stack's children are stopped by now; timers of clients may be left.
process.exit()

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: parts.join(',') },
      backlog: { type: 'string', default: '100000' },
      cuts: { type: 'string', default: '1000' },
      holds: { type: 'string', default: '400' },
      out: { type: 'string' },
    },
  })
  const only = z.array(z.enum(parts)).parse(values.only.split(','))
  const count = (text: string) => z.coerce.number().int().min(1).max(1_000_000).parse(text)
  const around = { at: new Date().toISOString(), cpus: availableParallelism(), loadAverage: loadavg()[0] }
  const takes = {
    relay: () => measureRelay(count(values.backlog)),
    healing: () => measureHealing({ cuts: 0 }),
    cuts: () => measureHealing({ cuts: count(values.cuts) }),
    expiry: () => measureExpiry(count(values.holds)),
  }
  const facts: Fact[] = []
  for (const part of only) {
    process.stderr.write(`measuring ${part}\n`)
    const found = await takes[part]()
    facts.push(...found)
    for (const { what, figures } of found) print(`${what}: ${textOf(figures)}`)
  }
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify({ ...around, facts }, null, 2)}\n`)
}

function textOf(figures: Fact['figures']): string {
  const shown = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 1 })
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(' · ')
}
