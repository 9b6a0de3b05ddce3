/** `npm test`: Postgres and RabbitMQ once for the whole run, handed to Jest by environment, and gone afterwards. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { checkoutRoot, defaultHomeDir, openHome, readJson } from './home.ts'
import { obtainPostgres, obtainRabbitmq } from './infrastructure.ts'
import { endLeftovers } from './run-record.ts'
import { openSession, type Session } from './session.ts'

const Results = z.object({
  success: z.boolean(),
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTotalTests: z.number(),
  // Files that failed before any of their tests could: counted, or a run could fail with "0 failed".
  numRuntimeErrorTestSuites: z.number(),
})

const serverVariables = ['TEST_POSTGRES_ADMIN_URL', 'TEST_RABBITMQ_URL', 'TEST_RABBITMQ_MANAGEMENT_URL'] as const
const say = (line: string) => process.stderr.write(`${line}\n`)

async function main(): Promise<number> {
  const parent = join(defaultHomeDir(), 'test')
  await removeAbandoned(parent)
  const home = openHome(join(parent, String(process.pid)))
  let session: Session | undefined
  try {
    const environment = { ...process.env }
    if (!serverVariables.every((name) => environment[name])) {
      session = await openSession(home, { environment: process.env, maxConnections: 400, durable: false, say })
      Object.assign(environment, await startServers(session))
    }
    return await runJest(home.path('results.json'), environment)
  } finally {
    await session?.close()
    rmSync(home.dir, { recursive: true, force: true })
  }
}

async function startServers({
  context,
  startInOrder,
}: Session): Promise<Record<(typeof serverVariables)[number], string>> {
  const startedAt = Date.now()
  const [postgres, rabbitmq] = await Promise.all([obtainPostgres(context), obtainRabbitmq(context)])
  await Promise.all([startInOrder(postgres.running), startInOrder(rabbitmq.running)])
  say(`Postgres and RabbitMQ are up for the tests (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`)
  return {
    TEST_POSTGRES_ADMIN_URL: postgres.adminUrl.href,
    TEST_RABBITMQ_URL: rabbitmq.url,
    TEST_RABBITMQ_MANAGEMENT_URL: rabbitmq.managementUrl.href.replace(/\/$/, ''),
  }
}

function runJest(resultsFile: string, environment: NodeJS.ProcessEnv): Promise<number> {
  const require = createRequire(join(checkoutRoot, 'package.json'))
  const jest = join(dirname(require.resolve('jest/package.json')), 'bin', 'jest.js')
  const reporting = ['--json', `--outputFile=${resultsFile}`]
  const args = [...process.execArgv, jest, ...reporting, ...process.argv.slice(2)]
  const child = spawn(process.execPath, args, { stdio: 'inherit', cwd: checkoutRoot, env: environment })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const watching = endAfterResults(child, resultsFile)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      clearInterval(watching)
      resolve(report(resultsFile, code))
    })
  })
}

/** From its results to its end. */
const endPatienceMs = 15_000

/**
 * Node 24 has been seen to spin for ever after its last line, as it frees its environment (CleanupHandles): then the results are
 * what counts. A test that leaves something open would keep Jest as well, and Jest says so.
 */
function endAfterResults(child: ChildProcess, resultsFile: string): NodeJS.Timeout {
  let writtenAt: number | undefined
  return setInterval(() => {
    if (existsSync(resultsFile)) writtenAt ??= Date.now()
    if (writtenAt === undefined || Date.now() - writtenAt < endPatienceMs) return
    say('Jest has written its results and does not end: it is killed')
    child.kill('SIGKILL')
  }, 500)
}

/** `exitCode` is null when it was killed. */
function report(resultsFile: string, exitCode: number | null): number {
  const results = Results.optional().parse(readJson(resultsFile))
  if (!results) return exitCode ?? 1
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites
  const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : ''
  process.stdout.write(`${results.numPassedTests} passed, ${failed} failed${skipped}\n`)
  return results.success ? (exitCode ?? 0) : (exitCode ?? 1) || 1
}

/** A run that was killed could not clean up. Its folder says whose it was. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of listFolder(parent)) {
    const home = openHome(join(parent, name))
    await endLeftovers(home)
    if (!isRunning(Number(name))) rmSync(home.dir, { recursive: true, force: true })
  }
}

function listFolder(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
