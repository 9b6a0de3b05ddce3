import { isNativeError } from 'node:util/types'
import { Unavailable } from '@holdfast/contracts/errors'
import type { Logger } from '@holdfast/runtime/logger'
import { pools } from '@holdfast/runtime/metrics'
import pg from 'pg'

/**
 * The hot path to Postgres: a small pool of `pg` connections, every statement prepared once per connection under its
 * name. Lists, catalogues and other reads go through slonik (reads.ts); docs/adr/0002 says why there are two doors.
 */

/** One SQL statement and the shape of its rows. `name` must be unique in the process: Postgres keeps its plan under it. */
export interface Statement<Row> {
  readonly name: string
  readonly text: string
  /** Only in the types: what a row looks like. */
  readonly row?: Row
}

export function statement<Row extends object = never>(name: string, text: string): Statement<Row> {
  if (name.length > 63) throw new Error(`Postgres cuts statement names at 63 characters: ${name}`)
  return { name, text }
}

/** Each call says how many rows it expects; another number is an error. */
export interface Queries {
  one<Row extends object>(query: Statement<Row>, values?: readonly unknown[]): Promise<Row>
  maybeOne<Row extends object>(query: Statement<Row>, values?: readonly unknown[]): Promise<Row | undefined>
  many<Row extends object>(query: Statement<Row>, values?: readonly unknown[]): Promise<Row[]>
  /** For statements that return nothing; the number of rows they touched. */
  run(query: Statement<never>, values?: readonly unknown[]): Promise<number>
}

export interface Database extends Queries {
  /** One transaction, READ COMMITTED. Rerun when Postgres found a deadlock, so `work` must have no effect outside. */
  transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T>
  close(): Promise<void>
}

const maxTries = 3
const int8 = 20

const types = {
  // Counts and sums fit a number; a bigint could not be written to JSON.
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === int8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig

export function openDatabase(
  url: string,
  options: { poolSize: number; applicationName: string; logger: Logger },
): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize,
    application_name: options.applicationName,
    connectionTimeoutMillis: 2_000,
    // A statement that takes this long means a dead socket or a lock nobody gives up: the caller gets 503 within 5 s.
    query_timeout: 4_500,
    statement_timeout: 4_000,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
    types,
  })
  pools.add(pool)
  pool.on('error', (err) => options.logger.warn({ err }, 'an idle database connection was lost'))

  return {
    ...queriesOn((query) => withClient(pool, (client) => client.query(query))),
    transaction: (work) => inTransaction(pool, work),
    close: () => {
      pools.delete(pool)
      return pool.end()
    },
  }
}

async function inTransaction<T>(pool: pg.Pool, work: (tx: Queries) => Promise<T>, tries = 1): Promise<T> {
  try {
    return await withClient(pool, async (client) => {
      await client.query('begin')
      const result = await work(queriesOn((query) => client.query(query)))
      // Postgres answers so, and no error, where a statement before it has failed and `work` went on all the same.
      const { command } = await client.query('commit')
      if (command === 'ROLLBACK') throw new Error('the transaction was rolled back: a statement in it had failed')
      return result
    })
  } catch (error) {
    if (isConflict(error) && tries < maxTries) return inTransaction(pool, work, tries + 1)
    throw error
  }
}

/** A client whose work failed is rolled back; one that cannot be rolled back is thrown away. */
async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  let client: pg.PoolClient
  try {
    client = await pool.connect()
  } catch (error) {
    // The pool's word for having waited in its queue; a server that does not answer has another.
    const isBusy = error instanceof Error && error.message.startsWith('timeout exceeded')
    const reason = isBusy ? 'every connection to the database is in use' : 'the database is not reachable'
    throw new Unavailable(reason, { cause: error })
  }
  // Without a listener, a connection that dies while we hold it would end the process.
  const ignore = () => {}
  client.on('error', ignore)
  let broken: Error | undefined
  try {
    return await work(client)
  } catch (error) {
    const translated = translate(error)
    // Only what was translated says something of the connection; an `Unavailable` of the work's own does not.
    if (translated !== error && translated instanceof Unavailable) broken = translated
    else await client.query('rollback').catch((rollbackError: Error) => (broken = rollbackError))
    throw translated
  } finally {
    client.off('error', ignore)
    client.release(broken)
  }
}

function queriesOn(query: (config: pg.QueryConfig) => Promise<pg.QueryResult>): Queries {
  const rows = async <Row extends object>({ name, text }: Statement<Row>, values: readonly unknown[] = []) => {
    const result = await query({ name, text, values: [...values] })
    return result.rows as Row[]
  }
  return {
    many: rows,
    async one(statement, values) {
      const [row, ...others] = await rows(statement, values)
      if (!row || others.length > 0) throw new Error(`${statement.name} should have returned exactly one row`)
      return row
    },
    async maybeOne(statement, values) {
      const [row, ...others] = await rows(statement, values)
      if (others.length > 0) throw new Error(`${statement.name} should have returned at most one row`)
      return row
    },
    async run({ name, text }, values = []) {
      const result = await query({ name, text, values: [...values] })
      return result.rowCount ?? 0
    },
  }
}

/** Serialization failure and deadlock: Postgres asks for the transaction to be run again. */
const isConflict = (error: unknown) =>
  error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')

/**
 * Connection exceptions, a transaction in a state that allows no writing (a standby after a failover), resources, operator
 * intervention and system errors: the database is away, not the query wrong.
 */
const awayClasses = ['08', '25', '53', '57', '58']

/** What means that the database is away, as `Unavailable`; all else as it was. */
export function translate(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) {
    if (awayClasses.includes(error.code?.slice(0, 2) ?? '') && error.code !== '57014')
      return new Unavailable('the database is away', { cause: error })
    // Of a statement that was prepared before a migration: the next connection prepares it anew.
    if (error.code === '0A000' && error.message.startsWith('cached plan'))
      return new Unavailable('the database has been migrated', { cause: error })
    if (error.code === '57014') return new Unavailable('the database took too long', { cause: error })
    return error
  }
  if (isNativeError(error) && isLostConnection(error)) return new Unavailable('the database is away', { cause: error })
  return error
}

/** Away because its disk is full: it answers, and takes nothing that needs more room. */
export const isOutOfRoom = (error: unknown): boolean =>
  error instanceof Unavailable && error.cause instanceof pg.DatabaseError && error.cause.code === '53100'

function isLostConnection(error: Error & { code?: string }): boolean {
  const codes = [
    ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT'],
    ...['EHOSTUNREACH', 'ENETUNREACH'],
  ]
  return (
    codes.includes(error.code ?? '') ||
    /connection terminated|timeout expired|query read timeout|client has encountered a connection error|not queryable/i.test(
      error.message,
    )
  )
}

/** The constraint an insert or update ran into, if that is what happened. */
export function violatedConstraint(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError && error.code?.startsWith('23')) return error.constraint
  return undefined
}
