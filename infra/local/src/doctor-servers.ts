import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'amqplib'
import pg from 'pg'
import { databaseNames } from './databases.ts'
import { type Finding, fault, judgeSkew, mendCertificate, note, ok, reasonOf, warning } from './doctor-finding.ts'
import { brokerUrls } from './doctor-settings.ts'
import { checkoutRoot } from './home.ts'

const oldestPostgres = 15
const patienceMs = 5_000

export async function checkServers(environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const urls = databaseNames.map((name) => ({ name, url: environment[`${name.toUpperCase()}_DATABASE_URL`] }))
  const set = urls.flatMap(({ name, url }) => (url && URL.canParse(url) ? [{ name, url }] : []))
  const checks = set.map(({ name, url }) =>
    checkDatabase(
      name,
      url,
      set.map((each) => each.url),
    ),
  )
  const nodes = brokerUrls(environment).filter((url) => URL.canParse(url))
  const all = await Promise.all([...checks, ...nodes.map(checkBroker)])
  return all.flat()
}

async function checkDatabase(name: string, url: string, everyUrl: readonly string[]): Promise<Finding[]> {
  const limits = { statement_timeout: patienceMs, idle_in_transaction_session_timeout: patienceMs }
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: patienceMs, ...limits })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    const { hostname, port, pathname } = new URL(url)
    const reachable = `Is Postgres up at ${hostname}:${port || 5432}, with a role and a database "${pathname.slice(1)}" (infra/postgres)?`
    const mend = mendPooler(error) ?? mendCertificate(error, '&sslrootcert=/path/ca.pem in the URL.')
    return [fault(`${name}: cannot connect: ${reasonOf(error)}`, mend ?? reachable)]
  }
  try {
    return [
      ...(await checkRole(client, name)),
      ...(await checkMigrations(client, name)),
      ...(await strangers(name, url, everyUrl)),
    ]
  } catch (error) {
    return [fault(`${name}: ${reasonOf(error)}`, 'The role must own its database.')]
  } finally {
    await client.end().catch(() => {})
  }
}

/** PgBouncer knows few of the parameters that a connection may begin with. */
function mendPooler(error: unknown): string | undefined {
  if (!reasonOf(error).includes('unsupported startup parameter')) return undefined
  return `In PgBouncer, ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout (docs/production.md).`
}

async function checkRole(client: pg.Client, name: string): Promise<Finding[]> {
  const before = Date.now()
  const { rows } = await client.query<Record<'version' | 'at' | 'connections', number> & { almighty: boolean }>(`
    select current_setting('server_version_num')::int / 10000 as version, rolsuper as almighty,
           extract(epoch from clock_timestamp())::float8 * 1000 as at, current_setting('max_connections')::int as connections
    from pg_roles where rolname = current_user`)
  const row = rows[0]
  if (!row) return []
  return [
    row.version >= oldestPostgres
      ? ok(`${name}: Postgres ${row.version}, at most ${row.connections} connections`)
      : fault(`${name}: Postgres ${row.version}`, `Upgrade it to ${oldestPostgres} at least; 18 is what is tested.`),
    // 15 each, and some for three services and their second instances.
    ...(row.connections < 100
      ? [warning(`${name}: ${row.connections} connections are few`, 'Raise max_connections, or lower DATABASE_POOL.')]
      : []),
    ...(row.almighty ? [warning(`${name}: its role is a superuser`, 'Give it a plain role (infra/postgres).')] : []),
    judgeSkew(`${name}'s Postgres`, row.at, before, Date.now()),
  ]
}

/** Services migrate by themselves when they start: fewer than there are means that this version has not run there yet. */
async function checkMigrations(client: pg.Client, name: string): Promise<Finding[]> {
  const folders = { migration: `services/${name}`, migration_messaging: 'libs/messaging', migration_http: 'libs/http' }
  const open: string[] = []
  const unknown: string[] = []
  for (const [table, folder] of Object.entries(folders)) {
    const known = readdirSync(join(checkoutRoot, folder, 'migrations')).map((file) => file.replace(/\.sql$/, ''))
    const { rows: exists } = await client.query('select to_regclass($1) is not null as there', [table])
    const done = exists[0]?.there ? (await client.query<{ name: string }>(`select name from ${table}`)).rows : []
    open.push(...known.filter((file) => !done.some((row) => row.name === file)))
    unknown.push(...done.map((row) => row.name).filter((row) => !known.includes(row)))
  }
  if (unknown.length > 0)
    return [
      fault(`${name}: has migrations this version does not know: ${unknown.join(', ')}`, 'Deploy the newer version.'),
    ]
  if (open.length > 0)
    return [warning(`${name}: not yet migrated: ${open.join(', ')}`, `Start ${name}: it migrates by itself, once.`)]
  return [ok(`${name}: migrations are up to date`)]
}

async function strangers(name: string, own: string, urls: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const other of urls.filter((url) => url !== own)) {
    const url = new URL(own)
    // Only databases on the same server can be reached with this role.
    if (new URL(other).host !== url.host) continue
    url.pathname = new URL(other).pathname
    const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: patienceMs })
    client.on('error', () => {})
    const opened = await client.connect().then(
      () => true,
      () => false,
    )
    await client.end().catch(() => {})
    const database = url.pathname.slice(1)
    if (opened)
      findings.push(
        fault(
          `${name}: its role can connect to the database "${database}"`,
          `revoke all on database "${database}" from public;`,
        ),
      )
  }
  return findings.length > 0 ? findings : [ok(`${name}: its role cannot connect to the others' databases`)]
}

async function checkBroker(url: string): Promise<Finding[]> {
  try {
    const connection = await connect(url, { timeout: patienceMs })
    connection.on('error', () => {})
    const { version } = connection.connection.serverProperties
    await connection.close()
    return [judgeVersion(String(version)), await checkPlugin(url)]
  } catch (error) {
    const { hostname, port } = new URL(url)
    const reachable = `Is RabbitMQ up at ${hostname}${port && `:${port}`}, and are user, password and virtual host right?`
    const mend = mendCertificate(error, 'NODE_EXTRA_CA_CERTS=/path/ca.pem.')
    return [fault(`RabbitMQ: cannot connect: ${reasonOf(error)}`, mend ?? reachable)]
  }
}

function judgeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const says = `RabbitMQ ${version}`
  if (major < 3 || (major === 3 && minor < 10))
    return fault(says, 'Upgrade it to 3.10 at least; 4.2 is what compose runs.')
  return major < 4
    ? warning(says, 'Upgrade to 4.2: quorum queues, which survive the loss of a node, begin with 4.')
    : ok(says)
}

/** By a declaration that is undone at once, on a connection of its own: an unknown type closes all of it. */
async function checkPlugin(url: string): Promise<Finding> {
  const connection = await connect(url, { timeout: patienceMs })
  const gone = new Promise<false>((resolve) => {
    connection.on('error', () => resolve(false))
    connection.on('close', () => resolve(false))
  })
  const declare = async () => {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    const name = `holdfast.doctor.${process.pid}.${Date.now()}`
    const args = { arguments: { 'x-delayed-type': 'direct' }, durable: false, autoDelete: true }
    await channel.assertExchange(name, 'x-delayed-message', args)
    await channel.deleteExchange(name)
    return true
  }
  const there = await Promise.race([declare().catch(() => false), gone])
  await connection.close().catch(() => {})
  return there
    ? ok('RabbitMQ has the delayed-message exchange')
    : note(
        'RabbitMQ is without the delayed-message exchange (infra/rabbitmq): expiring queues announce the end of holds',
      )
}
