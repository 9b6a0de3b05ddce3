import { availableParallelism, loadavg } from 'node:os'
import { bestOf, type Figures, type Measure, rounded } from './figures.ts'
import type { Options } from './options.ts'

/** What surrounded the run: figures mean little without it. */
export function circumstances(options: Options) {
  const { seconds, warmup, connections, slots, rounds, replicas } = options
  return {
    at: new Date().toISOString(),
    node: process.version,
    cpus: availableParallelism(),
    /** Before anything was started: how much else the machine was doing. */
    loadAverage: rounded(loadavg()[0] ?? 0),
    options: { seconds, warmup, connections, slots, rounds, replicas },
  }
}

const columns = ['p50', 'p99', 'max', 'per second', '200', 'other']

/** The best round of each measure. */
export function tableOf(measures: readonly Measure[]): string {
  const rows = measures.map((measure) => [measure.name, ...cellsOf(bestOf(measure))])
  const all = [['', ...columns], ...rows]
  const widths = all[0]?.map((_cell, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  const padded = (row: string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
  return all.map((row) => padded(row).join('   ').trimEnd()).join('\n')
}

function cellsOf({ p50Ms, p99Ms, maxMs, perSecond, answered, others }: Figures): string[] {
  const ms = (value: number) => `${value.toFixed(1)} ms`
  const other = Object.entries(others).map(([status, count]) => `${count}× ${status}`)
  return [ms(p50Ms), ms(p99Ms), ms(maxMs), perSecond.toFixed(0), String(answered), other.join(' ') || '0']
}

/** Where the processor's time goes under a load: from its best round, in ms a hold. */
export function cpuTableOf(measures: readonly Measure[]): string {
  const lines = measures.flatMap((measure) => {
    const { cpuMs = {} } = bestOf(measure)
    const costs = Object.entries(cpuMs)
    const sum = costs.reduce((total, [, ms]) => total + ms, 0)
    const list = costs.map(([name, ms]) => `${name} ${ms.toFixed(2)}`).join(' · ')
    return costs.length === 0 ? [] : [`${measure.name.trim()}: ${sum.toFixed(2)} = ${list}`]
  })
  return lines.join('\n')
}
