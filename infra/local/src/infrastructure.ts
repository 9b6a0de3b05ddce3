import { dockerEngine, postgresContainer, rabbitmqContainer } from './docker.ts'
import { embeddedPostgres } from './postgres.ts'
import { privateRabbitmq, type RabbitmqUrls, rabbitmqUrls, refusalOf, stopStrayEpmd } from './rabbitmq.ts'
import { rabbitmqServer } from './rabbitmq-install.ts'
import type { Postgres, Rabbitmq } from './servers.ts'
import { type Context, stages } from './session.ts'
import { supervise } from './supervisor.ts'

/** The URL in the environment, else a Docker engine, else the embedded binaries. */
export async function obtainPostgres(context: Context): Promise<Postgres> {
  const { home, environment, watch } = context
  if (environment.POSTGRES_URL) return { adminUrl: named('POSTGRES_URL', environment.POSTGRES_URL), running: [] }
  const settings = { ...context, port: await context.ports.get('postgres') }
  if (await dockerEngine(environment)) return postgresContainer(home, settings, watch)
  const [spec, adminUrl] = await embeddedPostgres(home, settings)
  return { adminUrl, running: [{ running: supervise(spec, watch), stage: stages.servers }] }
}

/**
 * The URL in the environment, else the installation named there, else a Docker engine, else the machine's own binaries,
 * installed if need be.
 */
export async function obtainRabbitmq(context: Context): Promise<Rabbitmq> {
  const { home, environment, ports, watch } = context
  if (environment.RABBITMQ_URL) {
    const urls = urlsFromEnvironment(environment)
    // Else every service would wait for it, and say so in its log only.
    const refusal = await refusalOf(urls.url)
    if (refusal) throw new Error(`No broker lets us in at what RABBITMQ_URL names: ${refusal}`)
    return { ...urls, running: [] }
  }
  const amqp = await ports.get('rabbitmq')
  const management = await ports.get('rabbitmq-management')
  const urls = rabbitmqUrls(home, { amqp, management })
  if (!environment.RABBITMQ_HOME && (await dockerEngine(environment)))
    return rabbitmqContainer(home, { amqp, management }, urls, watch)
  const server = await rabbitmqServer(context)
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
  const running = [
    { running: { ...mapper, stop }, stage: stages.support },
    { running: supervise(node, watch), stage: stages.servers },
  ]
  return { ...urls, running }
}

function urlsFromEnvironment({ RABBITMQ_URL = '', RABBITMQ_MANAGEMENT_URL }: NodeJS.ProcessEnv): RabbitmqUrls {
  const [first] = RABBITMQ_URL.split(',').map((node) => named('RABBITMQ_URL', node))
  if (RABBITMQ_MANAGEMENT_URL)
    return { url: RABBITMQ_URL, managementUrl: named('RABBITMQ_MANAGEMENT_URL', RABBITMQ_MANAGEMENT_URL) }
  // RabbitMQ's default port; the same user; of several nodes the first.
  const { username = '', password = '', hostname = '' } = first ?? {}
  const credentials = username ? `${username}:${password}@` : 'guest:guest@'
  return { url: RABBITMQ_URL, managementUrl: new URL(`http://${credentials}${hostname}:15672`) }
}

/** No more of it is shown: it may hold a password. */
function named(setting: string, url: string): URL {
  const parsed = URL.parse(url)
  if (parsed) return parsed
  throw new Error(`${setting} is no URL.`)
}
