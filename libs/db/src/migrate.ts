import { fileURLToPath } from 'node:url'
import type { Logger } from '@holdfast/runtime/logger'
import { runner } from 'node-pg-migrate'
import pg from 'pg'

/** A folder of plain SQL migrations and the name of the table that remembers which of them have run. */
export interface Migrations {
  readonly folder: URL
  readonly table: string
}

/** Any number, as long as it is the same for all: instances that start together take turns. */
const lockId = 4_711_000_001

/** Brings the database up to date. Safe with several instances starting together: one works, the others wait for it. */
export async function migrate(url: string, migrations: readonly Migrations[], logger: Logger): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // Without a listener, a connection that dies would end the process; the statement that waits fails as well.
  client.on('error', () => {})
  await client.connect()
  try {
    // A role may have a limit (behind a pooler it has to), which is neither for waiting one's turn nor for large tables.
    await client.query('set statement_timeout to 0')
    await client.query('select pg_advisory_lock($1)', [lockId])
    for (const { folder, table } of migrations) {
      const done = await runner({
        dbClient: client,
        dir: fileURLToPath(folder),
        migrationsTable: table,
        direction: 'up',
        noLock: true,
        checkOrder: true,
        log: () => {},
      })
      if (done.length > 0) logger.info({ table, migrations: done.map((migration) => migration.name) }, 'migrated')
    }
  } finally {
    await client.end()
  }
}
