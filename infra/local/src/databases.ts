import pg from 'pg'
import type { Home } from './home.ts'

export const databaseNames = ['inventory', 'reservation', 'payment'] as const
export type Databases = Record<(typeof databaseNames)[number], string>

/** A database and a role for each service that owns data; no role can connect to another's database. */
export async function createDatabases(adminUrl: URL, home: Home): Promise<Databases> {
  const client = new pg.Client({ connectionString: adminUrl.href })
  await client.connect()
  try {
    for (const name of databaseNames) await createDatabase(client, name, home.secret(`postgres-${name}`))
  } finally {
    await client.end()
  }
  return mapDatabases((name) => {
    const url = new URL(adminUrl)
    Object.assign(url, { username: name, password: home.secret(`postgres-${name}`), pathname: `/${name}` })
    return url.href
  })
}

/** The services' own URLs, where the environment names all three (INVENTORY_DATABASE_URL …). */
export function databasesFromEnvironment(environment: NodeJS.ProcessEnv): Databases | undefined {
  const urls = mapDatabases((name) => environment[`${name.toUpperCase()}_DATABASE_URL`] ?? '')
  return Object.values(urls).every(Boolean) ? urls : undefined
}

async function createDatabase(client: pg.Client, name: string, password: string): Promise<void> {
  const id = client.escapeIdentifier(name)
  const login = `login password ${client.escapeLiteral(password)}`
  const role = await client.query('select from pg_roles where rolname = $1', [name])
  await client.query(`${role.rowCount ? 'alter' : 'create'} role ${id} ${login}`)
  const database = await client.query('select from pg_database where datname = $1', [name])
  if (!database.rowCount) {
    // Since Postgres 16 even an administrator who is no superuser must be a member of the role it gives a database to.
    await client.query(`grant ${id} to current_user`)
    await client.query(`create database ${id} owner ${id}`)
  }
  // Each time: whoever was stopped after the line before had left it open to all.
  await client.query(`revoke all on database ${id} from public`)
}

function mapDatabases(value: (name: keyof Databases) => string): Databases {
  return { inventory: value('inventory'), reservation: value('reservation'), payment: value('payment') }
}
