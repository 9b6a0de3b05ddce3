import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { delimiter, join } from 'node:path'
import amqp from 'amqplib'
import { checkoutRoot, type Home } from './home.ts'
import { slimServerTree } from './rabbitmq-tree.ts'
import type { ProcessSpec } from './supervisor.ts'

export const rabbitmqUser = 'holdfast'

export interface RabbitmqSettings {
  /** Its start script, see findRabbitmqServer. */
  readonly server: string
  /** Orderly shutdown takes six seconds, which data that is thrown away need not wait for. */
  readonly durable: boolean
  readonly amqp: number
  readonly management: number
  readonly distribution: number
  readonly epmd: number
  /** Set for a node of a cluster: what it is called, and the node it joins, unless it is the first. */
  readonly member?: { name: string; joins: string | undefined } | undefined
}

export interface RabbitmqUrls {
  /** As RABBITMQ_URL has it: a cluster's nodes separated by commas. */
  readonly url: string
  readonly managementUrl: URL
}

/**
 * The one that RABBITMQ_HOME names (its `erl` must come first on the PATH), else the machine's. Debian's rabbitmq-server on
 * the PATH is a wrapper that becomes the user rabbitmq; the script behind it runs as anybody.
 */
export function findRabbitmqServer({ RABBITMQ_HOME, PATH = '' }: NodeJS.ProcessEnv): string | undefined {
  if (RABBITMQ_HOME) return named(join(RABBITMQ_HOME, 'sbin/rabbitmq-server'))
  const onPath = PATH.split(delimiter).map((dir) => join(dir, 'rabbitmq-server'))
  return ['/usr/lib/rabbitmq/bin/rabbitmq-server', '/opt/homebrew/sbin/rabbitmq-server', ...onPath].find(existsSync)
}

function named(script: string): string {
  if (existsSync(script)) return script
  throw new Error(`RABBITMQ_HOME names no RabbitMQ: there is no ${script}`)
}

export function rabbitmqUrls(home: Home, ports: { amqp: number; management: number }): RabbitmqUrls {
  const credentials = `${rabbitmqUser}:${home.secret('rabbitmq')}`
  return {
    url: `amqp://${credentials}@127.0.0.1:${ports.amqp}`,
    managementUrl: new URL(`http://${credentials}@127.0.0.1:${ports.management}`),
  }
}

export interface PrivateRabbitmq {
  readonly epmd: ProcessSpec
  readonly node: ProcessSpec
  readonly version: string
}

/** A private RabbitMQ node: own ports, data, cookie, configuration and port mapper (epmd), all on loopback. */
export function privateRabbitmq(home: Home, settings: RabbitmqSettings): PrivateRabbitmq {
  const name = settings.member?.name ?? 'rabbitmq'
  const dir = home.path(name)
  mkdirSync(dir, { recursive: true })
  const tree = slimServerTree(settings.server, join(dir, 'server'))
  const lines = [...configuration(home.secret('rabbitmq'), settings), ...membership(settings.member, tree.version)]
  writeFileSync(join(dir, 'rabbitmq.conf'), `${lines.join('\n')}\n`, { mode: 0o600 })
  if (settings.member) writeCookie(dir, home.secret('erlang-cookie'))
  writeFileSync(join(dir, 'enabled_plugins'), `[${tree.plugins.join(',')}].\n`)
  const env = { ...environment(dir, settings), ...tree.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/bin` }
  const common = { cwd: dir, env, graceMs: 20_000 }
  const urls = rabbitmqUrls(home, settings)
  return {
    version: tree.version,
    epmd: {
      ...common,
      name: 'epmd',
      command: 'epmd',
      args: ['-port', String(settings.epmd), '-address', '127.0.0.1'],
      log: home.path('logs', 'epmd.log'),
      readyWithinMs: 10_000,
      isReady: () => listens(settings.epmd),
    },
    node: {
      ...common,
      name,
      command: tree.script,
      args: [],
      log: home.path('logs', `${name}.log`),
      stopSignal: settings.durable ? 'SIGTERM' : 'SIGKILL',
      readyWithinMs: 90_000,
      isReady: () => serves(urls),
    },
  }
}

/** A node that starts while our port mapper is down brings one of its own; that one must not stay either. */
export function stopStrayEpmd(port: number): void {
  const env = { ...process.env, ERL_EPMD_PORT: String(port), ERL_EPMD_ADDRESS: '127.0.0.1' }
  spawnSync('epmd', ['-port', String(port), '-kill'], { env, stdio: 'ignore', timeout: 5_000 })
}

/** Ready: it speaks AMQP with our user, and its management API answers. */
export async function serves({ url, managementUrl }: RabbitmqUrls): Promise<boolean> {
  try {
    const authorization = `Basic ${btoa(`${managementUrl.username}:${managementUrl.password}`)}`
    const overview = new URL('/api/overview', managementUrl.origin)
    const answer = await fetch(overview, { headers: { authorization }, signal: AbortSignal.timeout(2_000) })
    await answer.arrayBuffer()
    if (!answer.ok) return false
    const connection = await amqp.connect(url, { timeout: 2_000 })
    connection.on('error', () => {})
    await connection.close()
    return true
  } catch {
    return false
  }
}

/** Why none of that URL's nodes lets us in, said of the last; nothing if one does. */
export async function refusalOf(url: string): Promise<string | undefined> {
  let refusal: string | undefined
  for (const node of url.split(',')) {
    try {
      const connection = await amqp.connect(node, { timeout: 2_000 })
      connection.on('error', () => {})
      await connection.close()
      return undefined
    } catch (error) {
      refusal = `${new URL(node).host}: ${error instanceof Error ? error.message : error}`
    }
  }
  return refusal
}

function configuration(password: string, ports: RabbitmqSettings): string[] {
  return [
    `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${ports.management}`,
    `default_user = ${rabbitmqUser}`,
    `default_pass = ${password}`,
    'default_user_tags.administrator = true',
    'heartbeat = 10',
    'disk_free_limit.absolute = 200MB',
    'log.console = true',
    'log.console.level = warning',
    'log.file = false',
  ]
}

/** As the nodes of compose's cluster are, in so far as this version knows the settings. */
function membership(member: RabbitmqSettings['member'], version: string): string[] {
  if (!member) return []
  const shared = readFileSync(join(checkoutRoot, 'infra/rabbitmq/20-holdfast.conf'), 'utf8').split('\n')
  const joins = [
    'cluster_formation.peer_discovery_backend = classic_config',
    `cluster_formation.classic_config.nodes.1 = ${nodeName(member.joins)}`,
  ]
  return [
    ...shared.filter((line) => replicates(version) || !line.startsWith('quorum_queue.')),
    ...(member.joins ? joins : []),
  ]
}

/** Whether our queues have a copy on each node: from the version on that libs/messaging declares quorum queues for. */
export function replicates(version: string): boolean {
  return Number.parseInt(version, 10) >= 4
}

/** Nodes of a cluster know one another by it. Left of an earlier start it is read-only. */
function writeCookie(dir: string, cookie: string): void {
  const file = join(dir, '.erlang.cookie')
  rmSync(file, { force: true })
  writeFileSync(file, cookie, { mode: 0o400 })
}

const nodeName = (name = 'holdfast') => `${name}@localhost`

function environment(dir: string, ports: RabbitmqSettings): NodeJS.ProcessEnv {
  return {
    // The cookie lives in the home folder of whoever runs Erlang.
    HOME: dir,
    LANG: 'C.UTF-8',
    RABBITMQ_NODENAME: nodeName(ports.member?.name),
    RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
    // Named so that Debian's own /etc/rabbitmq/rabbitmq-env.conf is not read.
    RABBITMQ_CONF_ENV_FILE: join(dir, 'rabbitmq-env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(dir, 'data'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_SCHEMA_DIR: join(dir, 'schema'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(dir, 'config'),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Makes the start script replace itself by Erlang, so that the pid we know is the broker's.
    RUNNING_UNDER_SYSTEMD: 'true',
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host: '127.0.0.1' })
    const answer = (open: boolean) => () => {
      socket.destroy()
      resolve(open)
    }
    socket.setTimeout(2_000, answer(false)).once('connect', answer(true)).once('error', answer(false))
  })
}
