import { readdirSync, readFileSync } from 'node:fs'
import type { StackFile } from '@holdfast/local/stack-file'
import { rounded } from './figures.ts'

/**
 * Processor time by process. On a machine that others use too, a rate says how much they left over; what a hold costs
 * does not depend on them.
 */

export type CpuTimes = ReadonlyMap<string, number>

/** Linux counts in hundredths of a second. */
const ticksPerMs = 0.1

/** In ms, with all descendants: Postgres works in children. Empty where there is no /proc. */
export function cpuTimes(processes: StackFile['processes']): CpuTimes {
  const all = allProcesses()
  const withChildren = (pid: number): number => {
    const children = all.filter(({ parent }) => parent === pid)
    const own = all.find((one) => one.pid === pid)?.ms ?? 0
    return children.reduce((sum, child) => sum + withChildren(child.pid), own)
  }
  const named = processes.map(({ name, pid }) => [name, withChildren(pid)] as const)
  const { user, system } = process.cpuUsage()
  return new Map(all.length === 0 ? [] : [...named, ['load generator', (user + system) / 1_000]])
}

/** What each of so many holds cost, in ms, the dearest first. */
export function costPerHold(before: CpuTimes, after: CpuTimes, holds: number): Record<string, number> {
  const costs = [...after].map(([name, ms]) => [name, rounded((ms - (before.get(name) ?? 0)) / holds)] as const)
  return Object.fromEntries(costs.filter(([, ms]) => ms > 0).sort(([, a], [, b]) => b - a))
}

function allProcesses(): { pid: number; parent: number; ms: number }[] {
  try {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return pids.flatMap((pid) => statOf(Number(pid)))
  } catch {
    return []
  }
}

function statOf(pid: number): { pid: number; parent: number; ms: number }[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Past the name, which may hold anything: state, parent, …, and from the 12th on user and system time, its own and
    // that of children that have ended.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    return [{ pid, parent: Number(fields[1]), ms: ticks / ticksPerMs }]
  } catch {
    // It has ended meanwhile.
    return []
  }
}
