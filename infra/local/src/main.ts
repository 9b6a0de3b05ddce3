/** `npm start`: the whole stack in the foreground, until Ctrl-C or SIGTERM. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { defaultHomeDir, openHome } from './home.ts'
import { issueToken } from './issue-token.ts'
import { parseReplicas, programNames } from './plan.ts'
import { type Bookable, seed } from './seed.ts'
import { type RunningStack, startStack } from './stack.ts'
import { welcome } from './welcome.ts'

const startedAt = Date.now()
const say = (line: string) => process.stdout.write(`[${seconds().padStart(6)}] ${line}\n`)
const stopping = new AbortController()

// Whoever was reading our output may be gone; the stack must still stop in order.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})
// A terminal's Ctrl-C arrives twice, once from the terminal and once through npm: the second says nothing new.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort())
stopping.signal.addEventListener('abort', () => say('Stopping: requests in flight are answered first'))

try {
  await run()
  process.exit(0)
} catch (error) {
  if (stopping.signal.aborted) process.exit(0)
  process.stderr.write(`\n${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}

async function run(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  const only = values.only === undefined ? undefined : z.array(z.enum(programNames)).parse(values.only.split(','))
  const home = openHome(defaultHomeDir()).dir
  const replicas = parseReplicas(process.env.REPLICAS)
  say(`Starting Holdfast; everything it keeps is in ${home}`)
  const stack = await startStack({ home, replicas, only, gatewayPort: 8080, signal: stopping.signal, say })
  try {
    await greet(stack, home)
    await untilStopped()
  } catch (error) {
    // A greeting that is cut short by Ctrl-C is no failure.
    if (!stopping.signal.aborted) throw error
  } finally {
    await stack.stop()
  }
  say('Everything is stopped')
}

async function greet({ stack, external }: RunningStack, home: string): Promise<void> {
  let token: string | undefined
  let slot: Bookable | undefined
  const runs = (name: string) => stack.processes.some((process) => process.name === name)
  if (!external.cognito.real && runs('cognito-issuer')) {
    token = await issueToken(stack.issuerUrl, 'alice')
    const operator = await issueToken(stack.issuerUrl, 'operator', true)
    if (runs('gateway')) slot = await seed(stack.gatewayUrl, operator, say).catch(cannotSeed)
  }
  process.stdout.write(`\n${welcome(stack, home, token, slot)}\n\n`)
  say('Ready. Ctrl-C stops everything.')
}

/** A stack without a demo catalogue is still a stack. */
function cannotSeed(error: unknown): undefined {
  if (!stopping.signal.aborted)
    say(`The catalogue could not be seeded: ${error instanceof Error ? error.message : error}`)
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    if (stopping.signal.aborted) resolve()
    stopping.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function seconds(): string {
  return `${((Date.now() - startedAt) / 1_000).toFixed(1)} s`
}
