import { randomBytes } from 'node:crypto'
import { type Migrations, migrate } from '@holdfast/db/migrate'
import { createLogger } from '@holdfast/runtime/logger'
import pg from 'pg'

/** A database of its own for a test file, on the server that `npm test` has started. */
export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

export async function createTestDatabase(migrations: readonly Migrations[] = []): Promise<TestDatabase> {
  const admin = required('TEST_POSTGRES_ADMIN_URL')
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(admin, `create database ${name}`)
  const url = new URL(admin)
  url.pathname = `/${name}`
  await migrate(url.toString(), migrations, createLogger('test', { LOG_LEVEL: 'silent' }))
  return { url: url.toString(), drop: () => asAdmin(admin, `drop database if exists ${name} with (force)`) }
}

async function asAdmin(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

export function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run the tests with npm test`)
  return value
}
