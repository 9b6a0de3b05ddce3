import { spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Home } from './home.ts'
import { readJson, writeAtomically } from './home.ts'
import { end, identify, isAlive, type ProcessIdentity } from './process-identity.ts'

/** What the stack of a home has running. Written before anything else happens, so that nothing is ever lost track of. */
interface Run {
  runner: ProcessIdentity
  processes: Record<string, ProcessIdentity>
  /** Somebody who wants the home need only wait a little. */
  stopping?: boolean
}

export interface RunRecord {
  add(name: string, pid: number): void
  remove(name: string): void
  stopping(): void
  close(): void
}

export class AlreadyRunning extends Error {}

/** Claims the home for this process, after ending whatever a killed predecessor left behind. */
export async function openRunRecord(home: Home, say: (line: string) => void): Promise<RunRecord> {
  await claim(home, say)
  const left = await endLeftovers(home)
  if (left.length > 0) say(`Ended what an earlier run had left behind: ${left.join(', ')}`)
  const file = home.path('run.json')
  const self = identify(process.pid)
  if (!self) throw new Error('This process cannot identify itself')
  const run: Run = { runner: self, processes: {} }
  const write = () => writeAtomically(file, JSON.stringify(run, null, 2))
  write()
  const leave = startGuardian(home)
  return {
    add(name, pid) {
      const identity = identify(pid)
      if (!identity) return
      run.processes[name] = identity
      write()
    },
    remove(name) {
      delete run.processes[name]
      write()
    },
    stopping() {
      run.stopping = true
      write()
    },
    close() {
      rmSync(file, { force: true })
      rmSync(home.path('runner.json'), { force: true })
      leave()
    },
  }
}

/** See guardian.ts. The pipe closes when `leave` is called, or when this process ends in whatever way. */
function startGuardian(home: Home): () => void {
  const file = fileURLToPath(new URL('guardian.ts', import.meta.url))
  const args = ['--max-old-space-size=16', file, home.dir, String(process.pid)]
  const guardian = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' })
  guardian.on('error', () => {})
  guardian.stdin.on('error', () => {})
  guardian.unref()
  return () => guardian.stdin.end()
}

/** Ends the recorded processes whose runner is dead (`ofRunner`: only that runner's). Answers their names. */
export async function endLeftovers(home: Home, ofRunner?: number): Promise<string[]> {
  const run = readJson<Run>(home.path('run.json'))
  if (!run || isAlive(run.runner) || (ofRunner !== undefined && run.runner.pid !== ofRunner)) return []
  const left = Object.entries(run.processes).filter(([, identity]) => isAlive(identity))
  // Postgres's SIGINT is its fast shutdown: on SIGTERM it would wait for every client.
  await Promise.all(left.map(([name, identity]) => end(identity, 10_000, name === 'postgres' ? 'SIGINT' : 'SIGTERM')))
  rmSync(home.path('stack.json'), { force: true })
  return left.map(([name]) => name)
}

const patienceMs = 45_000

/** Takes the home, once a stack that is being stopped has given it back. */
async function claim(home: Home, say: (line: string) => void): Promise<void> {
  const deadline = Date.now() + patienceMs
  let told = false
  while (true) {
    const owner = tryClaim(home.path('runner.json'))
    if (!owner) return
    const stopping = readJson<Run>(home.path('run.json'))?.stopping
    if (!stopping || Date.now() > deadline) {
      throw new AlreadyRunning(`A stack with the home ${home.dir} is running already (process ${owner.pid}).`)
    }
    if (!told) say('Waiting for the stack that is being stopped in this home')
    told = true
    await pause(100)
  }
}

/** Nothing, if the home is ours now; else whose it is. `wx` decides between two that come at the same moment. */
function tryClaim(file: string): ProcessIdentity | undefined {
  const self = JSON.stringify(identify(process.pid))
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, self, { flag: 'wx' })
      return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = readJson<ProcessIdentity>(file)
    if (owner && isAlive(owner)) return owner
    // A dead stack's claim.
    rmSync(file, { force: true })
  }
  throw new AlreadyRunning(`${file} is being claimed by others; try again.`)
}
