/**
 * Outlives a runner that was killed (-9) just long enough to end what it had started. Its stdin is a pipe whose other
 * end only the runner holds: when the runner is gone, however it went, the pipe closes.
 */
import { existsSync } from 'node:fs'
import { openHome } from './home.ts'
import { endLeftovers } from './run-record.ts'

const [dir = '', runner] = process.argv.slice(2)
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
process.stdin.resume()
process.stdin.on('error', () => {})
process.stdin.on('close', () => {
  // A test run's home is removed when the run is over.
  if (existsSync(dir)) void endLeftovers(openHome(dir), Number(runner))
})
