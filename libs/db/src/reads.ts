import type { ConnectionOptions } from 'node:tls'
import { isNativeError } from 'node:util/types'
import { Unavailable } from '@holdfast/contracts/errors'
import { createPgDriverFactory } from '@slonik/pg-driver'
import { parseIntoClientConfig } from 'pg-connection-string'
import {
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  ConnectionError,
  createPool,
  createTypeParserPreset,
  type DatabasePool,
  type DriverFactory,
  type Interceptor,
  SchemaValidationError,
  StatementTimeoutError,
} from 'slonik'
import { translate } from './database.ts'

/** The door for lists, catalogues and administration: typed rows, cardinality in each call, validated by zod. */

/** Slonik leaves checking a row against its zod schema to an interceptor. */
const validateRows: Interceptor = {
  name: 'validate-rows',
  transformRowAsync: async (context, query, row) => {
    const schema = context.resultParser
    if (!schema) return row
    const result = await schema['~standard'].validate(row)
    if (result.issues) throw new SchemaValidationError(query, row, result.issues)
    return result.value as typeof row
  },
}

const dates = ['timestamptz', 'timestamp'].map((name) => ({ name, parse: (value: string) => new Date(value) }))

/** Lists and pages of them, by slonik's own calls. Each throws `Unavailable` when the database is away. */
export type Reads = Pick<DatabasePool, 'any' | 'maybeOne' | 'one' | 'oneFirst'> & { end(): Promise<void> }

/** Just after Postgres' own deadline: nothing has come, so the socket is half open. The caller gets 503 within 5 s. */
const deadlineMs = 4_500

export function openReads(url: string, poolSize: number): Reads {
  const driverFactory = onceKnown(createPgDriverFactory())
  let pool: Promise<DatabasePool> | undefined

  /** Slonik connects once to open a pool: where that fails, the next who reads tries again. */
  function opened(): Promise<DatabasePool> {
    if (pool) return pool
    const opening = openPool(url, poolSize, driverFactory)
    opening.catch(() => forget(opening))
    pool = opening
    return opening
  }

  function forget(one: Promise<DatabasePool>): void {
    if (pool === one) pool = undefined
  }

  async function read<T>(work: (pool: DatabasePool) => Promise<T>): Promise<T> {
    const used = opened()
    try {
      return await inTime(used.then(work))
    } catch (error) {
      if (error instanceof TooLate) {
        // Slonik would give a connection that has gone deaf to the next caller: all of them are thrown away.
        forget(used)
        used.then((deaf) => deaf.end()).catch(() => {})
      }
      throw asUnavailable(error)
    }
  }

  // Now, so that the first to read does not wait for it.
  opened().catch(() => {})
  return {
    any: (query) => read((pool) => pool.any(query)),
    maybeOne: (query) => read((pool) => pool.maybeOne(query)),
    one: (query) => read((pool) => pool.one(query)),
    oneFirst: (query) => read((pool) => pool.oneFirst(query)),
    end: async () => {
      const ending = pool?.then((open) => open.end())
      if (ending) await inTime(ending).catch(() => {})
    },
  }
}

/**
 * A driver first asks the database for its types, by a client that nobody listens to: should that connection die, the process
 * does. So it is asked once, when a service starts and has just migrated, and not each time a pool is opened.
 */
function onceKnown(create: DriverFactory): DriverFactory {
  let driver: ReturnType<DriverFactory> | undefined
  return (given) => {
    if (driver) return driver
    // Without an answer it is asked again, and not waited for by all who read.
    const creating = inTime(create(given))
    creating.catch(() => {
      driver = undefined
    })
    driver = creating
    return creating
  }
}

function openPool(url: string, poolSize: number, driverFactory: DriverFactory): Promise<DatabasePool> {
  return createPool(withoutTls(url), {
    ...tlsOf(url),
    driverFactory,
    maximumPoolSize: poolSize,
    connectionTimeout: 2_000,
    statementTimeout: 4_000,
    idleInTransactionSessionTimeout: 10_000,
    interceptors: [validateRows],
    typeParsers: [
      ...createTypeParserPreset().filter((parser) => !['timestamptz', 'timestamp', 'int8'].includes(parser.name)),
      ...dates,
      { name: 'int8', parse: Number },
    ],
  })
}

/** What the URL says of TLS is read as the other door reads it: slonik knows neither `verify-full` nor most of its kin. */
function tlsOf(url: string): { ssl?: ConnectionOptions } {
  const { ssl } = parseIntoClientConfig(url)
  return ssl ? { ssl: ssl === true ? {} : ssl } : {}
}

function withoutTls(url: string): string {
  const bare = new URL(url)
  for (const name of [...bare.searchParams.keys()]) if (name.startsWith('ssl')) bare.searchParams.delete(name)
  return bare.href
}

class TooLate extends Error {}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new TooLate('the database has not answered in time')), deadlineMs)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const awayErrors = [
  ...[TooLate, ConnectionError, StatementTimeoutError],
  ...[BackendTerminatedError, BackendTerminatedUnexpectedlyError],
]

/** Slonik's words for a database that is away, in ours; what it passes through as the driver threw it, likewise. */
function asUnavailable(error: unknown): unknown {
  // Whoever waits for a connection of a pool that is thrown away.
  const wasThrownAway = isNativeError(error) && /pool (is being terminated|has ended)/i.test(error.message)
  if (wasThrownAway || awayErrors.some((away) => error instanceof away))
    return new Unavailable('the database is away', { cause: error })
  return translate(error)
}
