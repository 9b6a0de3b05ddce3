/**
 * `npm run cluster [-- --rounds 2 --guests 6]`: three RabbitMQ nodes on this machine, guests who book all the while, and each
 * node in turn is killed with -9 and started again. In the end no booking may be lost: `npm run verify` finds no drift.
 * RABBITMQ_HOME names the installation to run; what it can promise depends on its version.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openHome } from '@holdfast/local/home'
import { type Cluster, type ClusterNode, startCluster } from '@holdfast/local/rabbitmq-cluster'
import { openSession } from '@holdfast/local/session'
import { startStack } from '@holdfast/local/stack'
import type { StackFile } from '@holdfast/local/stack-file'
import { type Guests, sendGuests } from './cluster/guests.ts'
import { countQueues, untilComplete, untilWhole } from './cluster/nodes.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '1' }, guests: { type: 'string', default: '6' } },
})
/** How long each node is away. */
const absenceMs = 8_000
const startedAt = Date.now()
const say = (line: string) => process.stdout.write(`[${seconds(startedAt).padStart(7)}] ${line}\n`)
const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort())

const home = mkdtempSync(join(tmpdir(), 'holdfast-cluster-'))
try {
  process.exitCode = await runCluster()
} catch (error) {
  process.stderr.write(`${stopping.signal.aborted ? 'Stopped.' : reasonOf(error)}\n`)
  process.exitCode = 1
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function runCluster(): Promise<number> {
  const brokerHome = openHome(join(home, 'broker'))
  const session = await openSession(brokerHome, {
    environment: process.env,
    maxConnections: 200,
    durable: false,
    say,
  })
  try {
    const cluster = await startCluster(session)
    await untilComplete(cluster)
    say(promiseOf(cluster))
    return await runStack(cluster)
  } finally {
    await session.close()
  }
}

function promiseOf({ version, replicates, nodes }: Cluster): string {
  const what = `RabbitMQ ${version || 'of an unknown version'}, ${nodes.length} nodes.`
  return replicates
    ? `${what} Every queue has a copy on each: bookings go on while any one node is away, and none is lost.`
    : `${what} Before RabbitMQ 4 our queues live on one node each: while it is away bookings wait, and none is lost.`
}

async function runStack(cluster: Cluster): Promise<number> {
  const running = await startStack({
    home: join(home, 'stack'),
    durable: false,
    logLevel: 'info',
    signal: stopping.signal,
    environment: { ...process.env, RABBITMQ_URL: cluster.url, RABBITMQ_MANAGEMENT_URL: cluster.managementUrl.href },
  })
  try {
    const guests = await sendGuests(running.stack, Number(values.guests))
    await guests.bookOnce()
    say(`Guests are booking. Queues: ${await countQueues(cluster)}`)
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const node of cluster.nodes) await spare(node, cluster, guests)
    }
    await guests.leave()
    const { ended, refused, slowest } = guests
    say(
      `${ended.confirmed} bookings confirmed, ${ended.expired} holds expired, the slowest took ${slowest.toFixed(1)} s`,
    )
    say(`${refused} requests were told to come again`)
    return await verify(running.stack)
  } finally {
    await running.stop()
  }
}

async function spare(node: ClusterNode, cluster: Cluster, guests: Guests): Promise<void> {
  stopping.signal.throwIfAborted()
  await untilWhole(cluster)
  const { name } = node.running
  const before = guests.refused
  await node.running.stop()
  const first = guests.bookOnce()
  if (cluster.replicates) say(`${name} is killed: the next booking took ${(await first).toFixed(1)} s without it`)
  const leftAt = Date.now()
  while (Date.now() - leftAt < absenceMs) await (cluster.replicates ? guests.bookOnce() : sleep(500))
  await node.running.start()
  await untilComplete(cluster)
  const took = await first
  if (!cluster.replicates) say(`${name} was killed and is back: a booking made meanwhile took ${took.toFixed(1)} s`)
  say(`${name} is back; meanwhile ${guests.refused - before} requests were told to come again`)
}

function verify({ databases, stripeUrl, stripeSecretKey }: StackFile): Promise<number> {
  const file = fileURLToPath(new URL('../infra/operations/src/verify.ts', import.meta.url))
  const env = {
    ...process.env,
    INVENTORY_DATABASE_URL: databases.inventory,
    RESERVATION_DATABASE_URL: databases.reservation,
    PAYMENT_DATABASE_URL: databases.payment,
    STRIPE_API_URL: stripeUrl,
    STRIPE_SECRET_KEY: stripeSecretKey,
  }
  const child = spawn(process.execPath, [file, '--stripe', '--wait', '60'], { env, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1_000).toFixed(1)} s`
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.message}${error.cause ? ` (${reasonOf(error.cause)})` : ''}` : String(error)
}
