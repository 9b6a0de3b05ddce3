import { createDatabases, type Databases, databasesFromEnvironment } from './databases.ts'
import { obtainPostgres, obtainRabbitmq } from './infrastructure.ts'
import type { Rabbitmq } from './servers.ts'
import type { Session } from './session.ts'

/**
 * Starts Postgres and RabbitMQ, and the services as soon as their databases are there. RabbitMQ takes longest:
 * meanwhile the services load and migrate, and they connect to it when it answers.
 */
export async function startServers(
  session: Session,
  startServices: (databases: Databases, rabbitmqUrl: string) => Promise<void>,
): Promise<{ databases: Databases; rabbitmq: Rabbitmq }> {
  const startedAt = Date.now()
  const rabbitmq = obtainRabbitmq(session.context)
  const rabbitmqReady = rabbitmq.then(async ({ running }) => {
    await session.startInOrder(running)
    session.context.say(`rabbitmq is ready (${seconds(startedAt)})`)
  })
  const databases = startPostgres(session)
  const servicesReady = Promise.all([databases, rabbitmq]).then(([urls, { url }]) => startServices(urls, url))
  await Promise.all([rabbitmqReady, servicesReady])
  return { databases: await databases, rabbitmq: await rabbitmq }
}

async function startPostgres(session: Session): Promise<Databases> {
  const { context } = session
  const given = databasesFromEnvironment(context.environment)
  if (given) return given
  const startedAt = Date.now()
  const { adminUrl, running } = await obtainPostgres(context)
  await session.startInOrder(running)
  const databases = await createDatabases(adminUrl, context.home)
  context.say(`postgres is ready on port ${adminUrl.port} (${seconds(startedAt)})`)
  return databases
}

export function seconds(since: number): string {
  return `${((Date.now() - since) / 1_000).toFixed(1)} s`
}
