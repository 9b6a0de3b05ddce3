import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** A pid alone names whoever has it now; with the moment it started it names one process for good. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string
}

export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = existsSync('/proc/self/stat') ? startedAtOnLinux(pid) : startedAtElsewhere(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startedAt === process.startedAt
}

export function signal(process: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(process)) return
  try {
    globalThis.process.kill(process.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** SIGTERM, patience, SIGKILL. */
export async function end(process: ProcessIdentity, graceMs: number, name: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  signal(process, name)
  if (await gone(process, graceMs)) return
  signal(process, 'SIGKILL')
  await gone(process, 5_000)
}

async function gone(process: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs
  while (isAlive(process)) {
    if (Date.now() >= deadline) return false
    await pause(20)
  }
  return true
}

function startedAtOnLinux(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may contain anything; the fields we want come after the last one: state, …, starttime.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    // Ticks since boot: the boot's own id makes them unique across reboots.
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`
  } catch {
    return undefined
  }
}

function startedAtElsewhere(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return undefined
  }
}
