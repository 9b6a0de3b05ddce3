import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { PostgreSqlContainer } from '@testcontainers/postgresql'
import { RabbitMQContainer } from '@testcontainers/rabbitmq'
import { type AbstractStartedContainer, getContainerRuntimeClient } from 'testcontainers'
import type { Home } from './home.ts'
import { images } from './images.ts'
import { initdbFlags, quietSettings } from './postgres.ts'
import { type RabbitmqUrls, rabbitmqUser, serves } from './rabbitmq.ts'
import type { Postgres, Rabbitmq } from './servers.ts'
import { stages } from './session.ts'
import type { Running, Watch } from './supervisor.ts'

const checkEveryMs = 500

/** Is there a Docker engine to use? HOLDFAST_DOCKER=off says no without looking. */
export async function dockerEngine(environment: NodeJS.ProcessEnv): Promise<boolean> {
  if (environment.HOLDFAST_DOCKER === 'off') return false
  // Asking testcontainers costs a second where there is none; without a socket there is nothing to ask.
  const sockets = ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')]
  if (!environment.DOCKER_HOST && !sockets.some(existsSync)) return false
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  )
}

export function postgresContainer(
  home: Home,
  settings: { port: number; maxConnections: number },
  watch: Watch,
): Postgres {
  const password = home.secret('postgres')
  const data = home.path('docker-postgres')
  mkdirSync(data, { recursive: true })
  const begin = () =>
    new PostgreSqlContainer(images(process.env).postgres)
      .withUsername('postgres')
      .withPassword(password)
      .withDatabase('postgres')
      .withEnvironment({ POSTGRES_INITDB_ARGS: initdbFlags.join(' ') })
      .withBindMounts([{ source: data, target: '/var/lib/postgresql' }])
      .withLogConsumer(logTo(home.path('logs', 'postgres.log')))
      .withExposedPorts({ container: 5432, host: settings.port })
      .withCommand([
        ...['postgres', '-c', `max_connections=${settings.maxConnections}`, '-c', 'timezone=UTC'],
        ...Object.entries(quietSettings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ])
      .start()
  const adminUrl = new URL(`postgres://postgres:${password}@127.0.0.1:${settings.port}/postgres`)
  return { adminUrl, running: [{ running: keep('postgres', home, begin, watch), stage: stages.servers }] }
}

export function rabbitmqContainer(
  home: Home,
  ports: { amqp: number; management: number },
  urls: RabbitmqUrls,
  watch: Watch,
): Rabbitmq {
  const data = home.path('docker-rabbitmq')
  mkdirSync(data, { recursive: true })
  const begin = async () => {
    const started = await new RabbitMQContainer(images(process.env).rabbitmq)
      // The data folder is named after the node, and the node after the host.
      .withEnvironment({
        RABBITMQ_NODENAME: 'holdfast@localhost',
        RABBITMQ_DEFAULT_USER: rabbitmqUser,
        RABBITMQ_DEFAULT_PASS: home.secret('rabbitmq'),
      })
      // Where compose's image looks for its secrets; the plain one looks nowhere.
      .withCopyContentToContainer([
        { content: home.secret('rabbitmq'), target: '/run/holdfast/password' },
        { content: home.secret('erlang-cookie'), target: '/run/holdfast/cookie' },
      ])
      .withBindMounts([{ source: data, target: '/var/lib/rabbitmq' }])
      .withLogConsumer(logTo(home.path('logs', 'rabbitmq.log')))
      .withExposedPorts({ container: 5672, host: ports.amqp }, { container: 15672, host: ports.management })
      .start()
    if (!(await serves(urls))) throw new Error('RabbitMQ has started in Docker but does not answer')
    return started
  }
  return { ...urls, running: [{ running: keep('rabbitmq', home, begin, watch), stage: stages.servers }] }
}

function logTo(file: string): (stream: Readable) => void {
  return (stream) => stream.pipe(createWriteStream(file))
}

/** A container that is started again when it dies. Its pid is the host's, where the engine runs on this host. */
function keep(name: string, home: Home, begin: () => Promise<AbstractStartedContainer>, watch: Watch): Running {
  let container: AbstractStartedContainer | undefined
  let pid: number | undefined
  let timer: NodeJS.Timeout | undefined

  async function check(): Promise<void> {
    if (!container) return
    const client = await getContainerRuntimeClient()
    const handle = client.container.getById(container.getId())
    const { State: state } = await client.container.inspect(handle)
    if (state.Running && state.Pid !== pid) watch.started(name, state.Pid)
    if (!state.Running && pid !== undefined) watch.ended(name, pid)
    pid = state.Running ? state.Pid : undefined
    if (!state.Running) await client.container.start(handle)
  }

  return {
    name,
    log: home.path('logs', `${name}.log`),
    pid: () => pid,
    async start() {
      container = await begin()
      await check()
      timer = setInterval(() => void check().catch(() => {}), checkEveryMs).unref()
    },
    async stop() {
      clearInterval(timer)
      const stopping = container
      container = undefined
      await stopping?.stop({ timeout: 15_000 })
      if (pid !== undefined) watch.ended(name, pid)
      pid = undefined
    },
    kill(signal) {
      if (pid !== undefined) process.kill(pid, signal)
    },
  }
}
