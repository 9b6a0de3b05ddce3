/** `npm run bench`: how fast a hold, a conversion and a status are. Measures and tells; only wrong sums fail it. */
import { writeFileSync } from 'node:fs'
import { catalogueAt } from './catalogue.ts'
import { openBench } from './measures.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { hotSpots } from './profile.ts'
import { circumstances, cpuTableOf, tableOf } from './report.ts'
import { enterStage, type Stage } from './stage.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)
/** Progress is for whoever waits; the table alone is the result. */
const say = (text: string) => process.stderr.write(`${text}\n`)
const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort())

try {
  await run(parseOptions(process.argv.slice(2)))
} catch (error) {
  const isUsage = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  say(stopping.signal.aborted ? 'Stopped.' : error instanceof Error ? error.message : String(error))
  if (isUsage) say(usage)
  process.exitCode = 1
}
// autocannon leaves timers behind.
process.exit()

async function run(options: Options): Promise<void> {
  const around = circumstances(options)
  say(options.url === undefined ? 'Starting a stack to measure' : `Measuring the stack at ${options.url}`)
  const stage = await enterStage(options, stopping.signal)
  try {
    await measure(stage, options, around)
  } finally {
    await stage.leave()
  }
  if (options.profile !== undefined) print(`\n${hotSpots(options.profile)}`)
}

async function measure(stage: Stage, options: Options, around: ReturnType<typeof circumstances>): Promise<void> {
  const catalogue = catalogueAt(stage.stack.gatewayUrl, await stage.operator())
  const bench = await openBench(stage, catalogue, options)
  say(`warming up for ${options.warmup} s`)
  await bench.warmUp()
  for (let round = 1; round <= options.rounds; round++) {
    await bench.round((what) => {
      stopping.signal.throwIfAborted()
      say(`round ${round} of ${options.rounds}: ${what}`)
    })
  }
  await catalogue.takeDown()
  const { faults } = bench
  const measures = bench.measured()
  const ratios = bench.ratios()
  print(`\n${around.cpus} CPUs (load ${around.loadAverage} before), Node ${around.node}; best of ${options.rounds}\n`)
  print(tableOf(measures))
  const cpuTable = cpuTableOf(measures)
  if (cpuTable !== '') print(`\nProcessor time, in ms a hold\n${cpuTable}`)
  const { latency, rate } = ratios
  print('')
  if (latency !== undefined) print(`A hold through the gateway takes ${latency}× as long as one past it.`)
  if (rate !== undefined) print(`Through the gateway, one slot takes ${rate}× as many holds a second as past it.`)
  for (const fault of faults) print(`WRONG: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
  if (options.out !== undefined)
    writeFileSync(options.out, `${JSON.stringify({ ...around, ratios, faults, measures }, null, 2)}\n`)
}
