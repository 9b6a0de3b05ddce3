/** `npm run chaos`: many bookings on a real stack while its parts are killed, cut off and lied to; then the promises. */
import { writeFileSync } from 'node:fs'
import { allFaults, faultsNamed } from './faults.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { asJson, tell } from './report.ts'
import { runChaos } from './run.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)
/** Progress is for whoever waits. */
const say = (text: string) => process.stderr.write(`${text}\n`)
const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort())

try {
  process.exitCode = await main(parseOptions(process.argv.slice(2)))
} catch (error) {
  const isUsage = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  say(stopping.signal.aborted ? 'Stopped.' : isUsage ? usage : String(error instanceof Error ? error.stack : error))
  process.exitCode = 1
}
// Connections to what is gone by now are nothing to wait for.
process.exit()

async function main(options: Options): Promise<number> {
  if (options.list) {
    for (const { name } of allFaults) print(name)
    return 0
  }
  faultsNamed(options.faults)
  say(`seed ${options.seed}`)
  const outcome = await runChaos(options, stopping.signal, say)
  stopping.signal.throwIfAborted()
  for (const line of tell(outcome, options)) print(line)
  if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(asJson(outcome, options), null, 2)}\n`)
  return outcome.breaches.length === 0 ? 0 : 1
}
