import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CognitoIssuer, startCognitoIssuer } from '@holdfast/cognito-issuer/issuer'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { messagingMigrations } from '@holdfast/messaging/messaging'
import { loadConfig } from '@holdfast/runtime/config'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker } from '@holdfast/testing/broker'
import { createTestDatabase } from '@holdfast/testing/database'
import { settings } from './config.ts'
import { startInventory } from './service.ts'

/** What inventory's tests stand on. */

export const silent = createLogger('inventory', { LOG_LEVEL: 'silent' })
const inventoryMigrations = { folder: new URL('../migrations', import.meta.url), table: 'migration' }
const poolId = 'us-east-1_Holdfast1'
const clientId = 'holdfastlocal'

export interface OpenTestDatabase {
  readonly url: string
  readonly database: Database
  close(): Promise<void>
}

/** Inventory's tables on real Postgres, without the service. */
export async function openTestDatabase(): Promise<OpenTestDatabase> {
  const { url, drop } = await createTestDatabase([messagingMigrations, inventoryMigrations])
  const database = openDatabase(url, { poolSize: 10, applicationName: 'test', logger: silent })
  return { url, database, close: () => database.close().then(drop) }
}

export interface RunningInventory extends OpenTestDatabase {
  readonly brokerUrl: string
  /** Starts one more instance on the same database and broker. */
  another(): Promise<{ stop(): Promise<void> }>
  /** Calls the first instance's HTTP API, by default as an operator. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  tokenOf(username: string): Promise<string>
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the API answers
  readonly body: any
}

/** The whole service, with a token issuer, on a database and a virtual host of its own. */
export async function startTestInventory(environment: Record<string, string> = {}): Promise<RunningInventory> {
  const dataDir = mkdtempSync(join(tmpdir(), 'issuer-'))
  const issuer: CognitoIssuer = await startCognitoIssuer({ port: 0, poolId, clientId, dataDir })
  const broker = await createTestBroker()
  const { url: databaseUrl, drop } = await createTestDatabase()
  const config = loadConfig(settings, {
    NODE_ENV: 'test',
    PORT: '0',
    LOG_LEVEL: 'silent',
    DATABASE_URL: databaseUrl,
    RABBITMQ_URL: broker.url,
    COGNITO_USER_POOL_ID: poolId,
    COGNITO_CLIENT_ID: clientId,
    COGNITO_JWKS_ORIGIN: issuer.url,
    ...environment,
  })
  const first = await startInventory(config)
  const instances = new Set<{ stop(): Promise<void> }>([first])
  const database = openDatabase(databaseUrl, { poolSize: 4, applicationName: 'test', logger: silent })
  const tokenOf = async (username: string) => (await issuer.issue(userNamed(username))).accessToken
  const operator = await tokenOf('operator')

  return {
    url: databaseUrl,
    brokerUrl: broker.url,
    database,
    tokenOf,
    another: async () => {
      const started = await startInventory(config)
      instances.add(started)
      const stop = () => {
        instances.delete(started)
        return started.stop()
      }
      return { stop }
    },
    call: async (method, path, body, headers = {}) => {
      const response = await fetch(`${first.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${operator}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, body: await response.json() }
    },
    close: async () => {
      await Promise.all([...instances].map((instance) => instance.stop()))
      await database.close()
      await Promise.all([drop(), broker.drop(), issuer.close()])
      rmSync(dataDir, { recursive: true })
    },
  }
}

const userNamed = (username: string) => ({ username, groups: username === 'operator' ? ['operators'] : [] })

interface NewSlot {
  capacity?: number
  pricePerGuest?: number | null
  status?: 'open' | 'closed'
  /** Days from now; negative ones have begun. */
  startsInDays?: number
  experience?: Partial<{
    pricePerGuest: number
    maxGuests: number | null
    status: 'active' | 'archived'
    discounts: object[]
    holdSeconds: number
  }>
}

const insertExperience = statement<{ id: string }>(
  'test.experience',
  `insert into experience (title, description, time_zone, currency, price_per_guest, hold_seconds, max_guests, discounts, status)
   values ('Sunrise paddle', 'Out before the wind.', 'Europe/Lisbon', 'eur', $1, $2, $3, $4, $5) returning id`,
)
const insertSlot = statement<{ id: string }>(
  'test.slot',
  `insert into time_slot (experience_id, starts_at, ends_at, capacity, price_per_guest, status)
   values ($1, now() + make_interval(days => $2), now() + make_interval(days => $2, hours => 2), $3, $4, $5) returning id`,
)

/** A slot of an experience of its own. */
export async function newSlot(database: Database, wanted: NewSlot = {}): Promise<{ id: string; experienceId: string }> {
  const { pricePerGuest = 10_000, maxGuests = null, status = 'active', discounts = [] } = wanted.experience ?? {}
  const experience = await database.one(insertExperience, [
    pricePerGuest,
    wanted.experience?.holdSeconds ?? 900,
    maxGuests,
    JSON.stringify(discounts),
    status,
  ])
  const slot = await database.one(insertSlot, [
    experience.id,
    wanted.startsInDays ?? 60,
    wanted.capacity ?? 10,
    wanted.pricePerGuest ?? null,
    wanted.status ?? 'open',
  ])
  return { id: slot.id, experienceId: experience.id }
}

const readSeats = statement<{ held: number; booked: number }>(
  'test.seats',
  'select held, booked from time_slot where id = $1',
)
export const seatsOf = (database: Database, slotId: string) => database.one(readSeats, [slotId])
