import { databaseNames, databasesFromEnvironment } from '@holdfast/local/databases'
import { readStackFile } from '@holdfast/local/stack-file'
import pg from 'pg'

/**
 * The services' databases, seen by an operator. A service reads only its own; whoever is on call reads all three, and
 * nothing here is imported by a service.
 */

export type DatabaseName = (typeof databaseNames)[number]
export { databaseNames }

export interface Databases {
  rows<Row>(database: DatabaseName, sql: string, values?: readonly unknown[]): Promise<Row[]>
  close(): Promise<void>
}

const int8 = 20
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === int8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig

/** Those given, or that the environment names (`RESERVATION_DATABASE_URL` …), or of the running stack. */
export function openDatabases(mode: 'read' | 'write', given?: Readonly<Record<DatabaseName, string>>): Databases {
  const urls = given ?? databasesFromEnvironment(process.env) ?? readStackFile().databases
  const pools = new Map(databaseNames.map((name) => [name, openPool(urls[name], mode)]))
  return {
    rows: async (name, sql, values = []) => {
      const pool = pools.get(name)
      if (!pool) throw new Error(`there is no database ${name}`)
      try {
        return (await pool.query(sql, [...values])).rows
      } catch (cause) {
        throw new Error(`${name}'s database: ${cause instanceof Error ? describe(cause) : cause}`, { cause })
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.end()))
    },
  }
}

/** A refused connection has its reason in its parts. */
function describe(error: Error & { code?: string }): string {
  return error.message || error.code || error.name
}

function openPool(connectionString: string, mode: 'read' | 'write'): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    // The services need the connections more than we do.
    max: 2,
    application_name: 'holdfast-operations',
    connectionTimeoutMillis: 5_000,
    // Whole tables are read; still, nothing of ours is to run for ever on a database in need.
    statement_timeout: 120_000,
    ...(mode === 'read' && { options: '-c default_transaction_read_only=on' }),
    types,
  })
  pool.on('error', () => {})
  return pool
}
