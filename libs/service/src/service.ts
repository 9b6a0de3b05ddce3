import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { type Database, openDatabase, statement, translate } from '@holdfast/db/database'
import { migrate } from '@holdfast/db/migrate'
import { openReads, type Reads } from '@holdfast/db/reads'
import { createVerifier, type Verifier } from '@holdfast/http/auth'
import { cleanIdempotency, idempotencyMigrations } from '@holdfast/http/idempotency'
import { createServer, type ReadinessChecks, router } from '@holdfast/http/server'
import type { Answerer, Handler, Task } from '@holdfast/messaging/handler'
import { type Messaging, messagingMigrations, openMessaging } from '@holdfast/messaging/messaging'
import { brokerSettings, commonSettings, databaseSettings, identitySettings } from '@holdfast/runtime/config'
import { createLogger, type Logger } from '@holdfast/runtime/logger'
import { type Loop, startLoop } from '@holdfast/runtime/loop'
import type { Running } from '@holdfast/runtime/run'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'

/** The frame of a service that owns a database: what inventory, reservation and payment have in common. */

export const serviceSettings = { ...commonSettings, ...databaseSettings, ...brokerSettings, ...identitySettings }
const Settings = z.object(serviceSettings)

/** What a service is built of. */
export interface Parts {
  readonly database: Database
  readonly reads: Reads
  readonly messaging: Messaging
  readonly verifier: Verifier
  readonly logger: Logger
  readonly app: FastifyInstance
  readonly serve: ReturnType<typeof router>['serve']
}

/** What a service does: its page of contents. Routes are served while it is assembled. */
export interface Contents {
  readonly handlers?: readonly (Handler | Task)[]
  readonly answers?: readonly Answerer[]
  /** Work that is done over and over; stopped before the connections are closed. */
  readonly loops?: readonly Loop[]
  readonly ready?: ReadinessChecks
}

const databaseDeadlineMs = 60_000
const cleanEveryMs = 60_000

export async function startService(spec: {
  name: 'inventory' | 'reservation' | 'payment'
  settings: z.infer<typeof Settings>
  migrations: URL
  assemble: (parts: Parts) => Contents | Promise<Contents>
}): Promise<Running & { url: string }> {
  const { name, settings } = spec
  const logger = createLogger(name, settings)
  const instance = settings.SERVICE_INSTANCE ?? name

  await whenDatabaseIsThere(logger, () =>
    migrate(
      settings.DATABASE_URL,
      [messagingMigrations, idempotencyMigrations, { folder: spec.migrations, table: 'migration' }],
      logger,
    ),
  )
  const database = openDatabase(settings.DATABASE_URL, {
    poolSize: settings.DATABASE_POOL,
    applicationName: instance,
    logger,
  })
  const reads = openReads(settings.DATABASE_URL, Math.ceil(settings.DATABASE_POOL / 2))
  const messaging = openMessaging({ service: name, instance, urls: settings.RABBITMQ_URL, database, logger })
  const verifier = createVerifier(settings)

  let stopping = false
  const ready: ReadinessChecks = {
    running: () => !stopping,
    database: () => database.one(ping),
    broker: () => messaging.connected(),
    identity: () => verifier.prepare(),
  }
  const app = createServer({ logger, ready })
  const { serve } = router(app, { verifier, database })
  const contents = await spec.assemble({ database, reads, messaging, verifier, logger, app, serve })
  Object.assign(ready, contents.ready)

  await whenAbleToAnswer(() => messaging.connected())
  const url = await app.listen({ host: settings.HOST, port: settings.PORT })
  messaging.listen({ handlers: contents.handlers ?? [], answers: contents.answers ?? [] })
  const cleaning = startLoop('cleaning idempotency keys', cleanEveryMs, logger, () => cleanIdempotency(database))
  logger.info({ url }, 'started')

  return {
    url,
    logger,
    stop: async () => {
      stopping = true
      // First what comes from outside, which may still need everything else; then what goes on by itself; then the connections.
      await app.close()
      await messaging.hush()
      await Promise.all([cleaning, ...(contents.loops ?? [])].map((loop) => loop.stop()))
      await messaging.stop()
      await Promise.all([reads.end(), database.close()])
    },
  }
}

const ping = statement<{ up: number }>('service.ping', 'select 1 as up')

/** A broker that is away for longer is answered for with 503. */
const brokerPatienceMs = 3_000

/** Who listens is sent requests, ready or not: an instance that joins others must be able to answer its first one. */
async function whenAbleToAnswer(isConnected: () => boolean): Promise<void> {
  const deadline = Date.now() + brokerPatienceMs
  while (!isConnected() && Date.now() < deadline) await sleep(10)
}

/** Started together with its database, a service waits for it; a wrong migration ends it at once. */
async function whenDatabaseIsThere(logger: Logger, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + databaseDeadlineMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const away = translate(error) instanceof Unavailable
      if (!away || Date.now() > deadline) throw error
      logger.warn({ reason: reasonOf(error) }, 'the database is not there yet')
      await sleep(500)
    }
  }
}
