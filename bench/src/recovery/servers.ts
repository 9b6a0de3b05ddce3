import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { type Database, openDatabase } from '@holdfast/db/database'
import { migrate } from '@holdfast/db/migrate'
import { openHome } from '@holdfast/local/home'
import { openSession } from '@holdfast/local/session'
import { startServers } from '@holdfast/local/start-servers'
import { on } from '@holdfast/messaging/handler'
import { type Messaging, messagingMigrations, openMessaging } from '@holdfast/messaging/messaging'
import { createLogger } from '@holdfast/runtime/logger'
import { openTcpProxy, type TcpProxy } from '@holdfast/testing/tcp-proxy'
import { took } from './fact.ts'

/** Postgres and RabbitMQ of our own, durable, and two services that are nothing but messaging. */
export interface Pair {
  readonly brokerUrl: string
  /** Between the speaker and the broker. */
  readonly wire: TcpProxy
  readonly database: Database
  readonly speaker: Messaging
  /** How often each reservation's command was handled. */
  readonly handled: ReadonlyMap<string, number>
  /** Until now there is nobody who hears. */
  startHearing(): Promise<void>
  leave(): Promise<void>
}

const logger = createLogger('recovery', { LOG_LEVEL: 'fatal' })

export async function openPair(): Promise<Pair> {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-recovery-'))
  const options = { environment: process.env, maxConnections: 100, durable: true, say: () => {} }
  const session = await openSession(openHome(dir), options)
  const { databases, rabbitmq } = await startServers(session, async () => {})
  const open = async (service: 'reservation' | 'inventory', url: string) => {
    await migrate(databases[service], [messagingMigrations], logger)
    const database = openDatabase(databases[service], { poolSize: 8, applicationName: service, logger })
    return { database, messaging: openMessaging({ service, instance: service, urls: [url], database, logger }) }
  }
  const wired = new URL(rabbitmq.url)
  const wire = await openTcpProxy({ host: wired.hostname, port: Number(wired.port || 5672) })
  Object.assign(wired, { hostname: '127.0.0.1', port: wire.port })
  const speaker = await open('reservation', wired.href)
  await took('the speaker is connected', () => speaker.messaging.connected(), 30_000)
  const handled = new Map<string, number>()
  let hearer: Awaited<ReturnType<typeof open>> | undefined

  return {
    brokerUrl: rabbitmq.url,
    wire,
    database: speaker.database,
    speaker: speaker.messaging,
    handled,
    startHearing: async () => {
      const opened = await open('inventory', rabbitmq.url)
      hearer = opened
      opened.messaging.listen({
        handlers: [
          on(ConfirmSeats, async ({ reservationId }) => {
            handled.set(reservationId, (handled.get(reservationId) ?? 0) + 1)
          }),
        ],
      })
      await took('the hearer is connected', () => opened.messaging.connected(), 30_000)
    },
    leave: async () => {
      for (const { messaging, database } of hearer ? [speaker, hearer] : [speaker]) {
        await messaging.stop()
        await database.close()
      }
      await wire.close()
      await session.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
