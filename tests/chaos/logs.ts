import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What services wrote that means that something was not foreseen. */
export interface LogFindings {
  /** Errors nobody caught. */
  readonly uncaught: readonly string[]
  /** Lines of level `error`, by service and message, and how many. */
  readonly errors: ReadonlyMap<string, number>
}

const signs = /uncaught error|unhandledRejection|UnhandledPromiseRejection|triggerUncaughtException|FATAL ERROR/i
const longest = 1_500

export function readLogs(home: string, services: readonly string[]): LogFindings {
  const uncaught: string[] = []
  const errors = new Map<string, number>()
  const dir = join(home, 'logs')
  for (const file of readdirSync(dir)) {
    const service = services.find((name) => file === `${name}.log` || file === `${name}.log.1`)
    if (service === undefined) continue
    for (const line of readFileSync(join(dir, file), 'utf8').split('\n')) {
      if (signs.test(line)) uncaught.push(`${service}: ${line.slice(0, longest)}`)
      const message = errorIn(line)
      if (message === undefined) continue
      const key = `${service.replace(/-\d+$/, '')}: ${message}`
      errors.set(key, (errors.get(key) ?? 0) + 1)
    }
  }
  return { uncaught, errors }
}

function errorIn(line: string): string | undefined {
  if (!line.includes('"level":"error"')) return undefined
  try {
    return (JSON.parse(line) as { msg?: string }).msg ?? 'no message'
  } catch {
    // A line that was being written when its process was killed.
    return undefined
  }
}
