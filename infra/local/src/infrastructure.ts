import { dockerEngine, postgresContainer, rabbitmqContainer } from './docker.ts'
import type { Home } from './home.ts'
import type { Ports } from './ports.ts'
import { embeddedPostgres } from './postgres.ts'
import { privateRabbitmq, type RabbitmqUrls, rabbitmqUrls, stopStrayEpmd } from './rabbitmq.ts'
import { rabbitmqServer } from './rabbitmq-install.ts'
import { type Running, supervise, type Watch } from './supervisor.ts'

/** What it takes to start something in a home. */
export interface Context {
  readonly home: Home
  readonly ports: Ports
  readonly environment: NodeJS.ProcessEnv
  readonly watch: Watch
  readonly maxConnections: number
  readonly durable: boolean
  say(line: string): void
}

export interface Postgres {
  readonly adminUrl: URL
  /** Not started yet; nothing when the environment named a server. */
  readonly running: Running[]
}

export interface Rabbitmq extends RabbitmqUrls {
  /** In the order to start them in. */
  readonly running: Running[]
}

/** The URL in the environment, else a Docker engine, else the embedded binaries. */
export async function obtainPostgres(context: Context): Promise<Postgres> {
  const { home, environment, watch } = context
  if (environment.POSTGRES_URL) return { adminUrl: new URL(environment.POSTGRES_URL), running: [] }
  const settings = { ...context, port: await context.ports.get('postgres') }
  if (await dockerEngine(environment)) return postgresContainer(home, settings, watch)
  const [spec, adminUrl] = await embeddedPostgres(home, settings)
  return { adminUrl, running: [supervise(spec, watch)] }
}

/** The URL in the environment, else a Docker engine, else the machine's own binaries, installed if need be. */
export async function obtainRabbitmq(context: Context): Promise<Rabbitmq> {
  const { home, environment, ports, watch } = context
  if (environment.RABBITMQ_URL) return { ...urlsFromEnvironment(environment), running: [] }
  const amqp = await ports.get('rabbitmq')
  const management = await ports.get('rabbitmq-management')
  const urls = rabbitmqUrls(home, { amqp, management })
  if (await dockerEngine(environment)) return rabbitmqContainer(home, { amqp, management }, urls, watch)
  const server = rabbitmqServer(context.say)
  const distribution = await ports.get('rabbitmq-distribution')
  const epmdPort = await ports.get('epmd')
  const { epmd, node } = privateRabbitmq(home, {
    server,
    durable: context.durable,
    amqp,
    management,
    distribution,
    epmd: epmdPort,
  })
  const mapper = supervise(epmd, watch)
  const stop = async () => {
    await mapper.stop()
    stopStrayEpmd(epmdPort)
  }
  return { ...urls, running: [{ ...mapper, stop }, supervise(node, watch)] }
}

function urlsFromEnvironment(environment: NodeJS.ProcessEnv): RabbitmqUrls {
  const url = new URL(environment.RABBITMQ_URL ?? '')
  const { RABBITMQ_MANAGEMENT_URL } = environment
  if (RABBITMQ_MANAGEMENT_URL) return { url, managementUrl: new URL(RABBITMQ_MANAGEMENT_URL) }
  // RabbitMQ's default port; the same user.
  const credentials = url.username ? `${url.username}:${url.password}@` : 'guest:guest@'
  return { url, managementUrl: new URL(`http://${credentials}${url.hostname}:15672`) }
}
