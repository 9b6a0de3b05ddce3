import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { misconfigured } from '@holdfast/runtime/config'
import { boundLog, logTail, openLog } from './logs.ts'
import { end, identify } from './process-identity.ts'

/** One process, as data: what to run, how to know that it is ready, how to stop it. */
export interface ProcessSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly log: string
  readonly url?: string
  /** Set only where the process must not run as we do: Postgres refuses to be root. */
  readonly owner?: { uid: number; gid: number }
  readonly stopSignal?: NodeJS.Signals
  readonly graceMs: number
  readonly readyWithinMs: number
  isReady(): Promise<boolean>
}

/** Something that runs as long as the stack does, in a process of ours or in a container. */
export interface Running {
  readonly name: string
  readonly log: string
  readonly url?: string | undefined
  pid(): number | undefined
  /** Starts it, or starts it again after `stop`, and answers when it is ready. */
  start(): Promise<void>
  stop(): Promise<void>
  kill(signal: NodeJS.Signals): void
}

export interface Watch {
  started(name: string, pid: number): void
  ended(name: string, pid: number): void
}

const firstDelayMs = 100
const longestDelayMs = 5_000
/** Who lives this long was no failure to start; the next restart is at once again. */
const soundLifeMs = 3_000
const deathsBeforeGivingUp = 3

export function supervise(spec: ProcessSpec, watch: Watch): Running {
  let child: ChildProcess | undefined
  let wanted = false
  let deaths = 0
  let isMisconfigured = false
  let log: number | undefined
  let bounds: NodeJS.Timeout | undefined

  function launch(): void {
    log ??= openLog(spec.log)
    const startedAt = Date.now()
    const born = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      stdio: ['ignore', log, log],
      // A process group of its own: the terminal's Ctrl-C is for us, who stop things in order.
      detached: true,
      ...spec.owner,
    })
    child = born
    if (born.pid !== undefined) watch.started(spec.name, born.pid)
    born.once('error', () => over(born, startedAt))
    born.once('exit', () => over(born, startedAt))
  }

  function over(gone: ChildProcess, startedAt: number): void {
    if (child !== gone) return
    child = undefined
    if (gone.pid !== undefined) watch.ended(spec.name, gone.pid)
    isMisconfigured = gone.exitCode === misconfigured
    deaths = Date.now() - startedAt > soundLifeMs ? 1 : deaths + 1
    if (isMisconfigured) return
    const delay = Math.min(firstDelayMs * 2 ** (deaths - 1), longestDelayMs)
    setTimeout(() => wanted && !child && launch(), delay).unref()
  }

  async function becomeReady(): Promise<void> {
    const deadline = Date.now() + spec.readyWithinMs
    while (!(child && (await spec.isReady()))) {
      if (!wanted) throw new Error(`${spec.name} was stopped while it was starting`)
      const why = whyNot(deadline)
      if (why) throw new Error(`${spec.name} ${why}. The end of ${spec.log}:\n${logTail(spec.log)}`)
      await pause(50)
    }
    deaths = 0
  }

  function whyNot(deadline: number): string | undefined {
    if (isMisconfigured) return 'cannot run with these settings'
    if (deaths >= deathsBeforeGivingUp) return 'keeps dying'
    return Date.now() > deadline ? 'does not become ready' : undefined
  }

  return {
    name: spec.name,
    log: spec.log,
    url: spec.url,
    pid: () => child?.pid,
    async start() {
      wanted = true
      deaths = 0
      isMisconfigured = false
      bounds ??= setInterval(() => boundLog(spec.log), 10_000).unref()
      if (!child) launch()
      await becomeReady()
    },
    async stop() {
      wanted = false
      clearInterval(bounds)
      bounds = undefined
      const leaving = child
      const identity = leaving?.pid === undefined ? undefined : identify(leaving.pid)
      if (identity) await end(identity, spec.graceMs, spec.stopSignal)
      // Dead is not yet reaped: without this it would stay behind as a zombie where nobody adopts orphans.
      if (leaving) await reaped(leaving)
      if (log !== undefined) closeSync(log)
      log = undefined
    },
    kill(signal) {
      child?.kill(signal)
    },
  }
}

async function reaped(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** Is a GET of that address answered with a 2xx? */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
