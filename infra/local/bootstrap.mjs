// What every npm script runs first. Plain JavaScript that Node 20 understands, and no imports but Node's own: on a fresh
// clone there is no node_modules yet. It installs what is missing, then hands over to the pinned Node with the same
// arguments, signals and exit code.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const pnpm = 'pnpm@12.21.0'
const nodeMajor = 24
const installPatienceMs = 10 * 60_000

/** command → the file Node 24 runs, below the root. */
const commands = {
  start: 'infra/local/src/main.ts',
  test: 'infra/local/src/test.ts',
  token: 'infra/local/src/token.ts',
  check: 'infra/local/src/check.ts',
  demo: 'tests/demo.ts',
  bench: 'bench/src/main.ts',
  recovery: 'bench/src/recovery/main.ts',
  chaos: 'tests/chaos/main.ts',
  simulate: 'tests/simulation/main.ts',
  cluster: 'tests/cluster.ts',
  smoke: 'tests/smoke.ts',
  doctor: 'infra/local/src/doctor.ts',
  verify: 'infra/operations/src/verify.ts',
  trace: 'infra/operations/src/trace.ts',
  'dead-letters': 'infra/operations/src/dead-letters.ts',
}

const [command = '', ...args] = process.argv.slice(2)
const file = commands[command]
if (!file) fail(`Usage: node infra/local/bootstrap.mjs <${Object.keys(commands).join('|')}> [arguments]`)
if (!existsSync(join(root, file))) fail(`"${command}" is not in this checkout: ${file} is missing.`)
await installWhatIsMissing()
handOver(node24(), [...nodeFlags(), join(root, file), ...args])

function nodeFlags() {
  // Jest's workers inherit the flag from here; everything else is plain Node.
  return command === 'test' ? ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'] : []
}

/** Dependencies are right when the stamp holds the hash of what the lock file, the workspace and the platform say. */
async function installWhatIsMissing() {
  if (stamped()) return
  const lock = join(root, '.holdfast', 'install.lock')
  mkdirSync(dirname(lock), { recursive: true })
  const deadline = Date.now() + installPatienceMs
  while (!takeLock(lock)) {
    if (Date.now() > deadline) fail(`Another install has held ${lock} for ten minutes. Remove it if none is running.`)
    await new Promise((done) => setTimeout(done, 200))
  }
  process.on('exit', () => rmSync(lock, { force: true }))
  if (!stamped()) install()
  rmSync(lock, { force: true })
}

function install() {
  process.stderr.write('Installing dependencies (npx pnpm install --frozen-lockfile) …\n')
  const startedAt = Date.now()
  // CI=true: pnpm asks nothing. NODE_ENV unset: the tests' and checks' tools are wanted even where it says production.
  const { NODE_ENV: _, ...env } = process.env
  const { status, error } = spawnSync('npx', ['--yes', pnpm, 'install', '--frozen-lockfile'], {
    cwd: root,
    // Not on stdout: `npm run token` prints a token there and nothing else.
    stdio: ['ignore', 2, 2],
    env: { ...env, CI: 'true' },
  })
  if (error) fail(`npx could not be run (${error.message}). npm comes with Node; is it on the PATH?`)
  if (status !== 0) fail(`The install failed (exit code ${status}); its own message is above.`)
  writeFileSync(stampFile(), lockHash())
  process.stderr.write(`Dependencies installed in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.\n`)
}

function stamped() {
  return existsSync(stampFile()) && readFileSync(stampFile(), 'utf8') === lockHash()
}

function stampFile() {
  return join(root, 'node_modules', '.holdfast-installed')
}

function lockHash() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${pnpm}`)
  for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(join(root, name)))
  return hash.digest('hex')
}

/** One install at a time. The lock of a process that no longer lives is nobody's. */
function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  try {
    process.kill(Number(readFileSync(lock, 'utf8')) || process.pid, 0)
  } catch (error) {
    // ESRCH: its owner is dead. ENOENT: it has just been given back. Either way the next round may take it.
    if (error.code === 'ESRCH') rmSync(lock, { force: true })
  }
  return false
}

function node24() {
  if (Number(process.versions.node.split('.')[0]) >= nodeMajor) return process.execPath
  const installed = join(root, 'node_modules', '.bin', 'node')
  if (existsSync(installed)) return installed
  fail(
    `Holdfast runs on Node ${nodeMajor}; this is ${process.version}, and no package brings Node ${nodeMajor} for ` +
      `${process.platform}-${process.arch}. Install Node ${nodeMajor} and run this again.`,
  )
}

/** The child gets what we get. A terminal's Ctrl-C reaches it twice; it treats the second as the same wish. */
function handOver(node, nodeArgs) {
  const child = spawn(node, nodeArgs, { stdio: 'inherit', cwd: root })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  if (process.env.npm_lifecycle_event) watchParent(() => child.kill('SIGTERM'))
  child.on('error', (error) => fail(`${node} could not be run: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

/** npm passes signals on (to us: the scripts say `exec`), but nobody can pass on a kill -9. */
function watchParent(orphaned) {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    orphaned()
  }, 200)
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
