/**
 * Outlives a runner that was killed (-9) just long enough to end what it had started. Its stdin is a pipe whose other
 * end only the runner holds: when the runner is gone, however it went, the pipe closes.
 */
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { openHome } from './home.ts'
import { endLeftovers } from './run-record.ts'

const [dir = '', runner] = process.argv.slice(2)
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
process.stdin.resume()
process.stdin.on('error', () => {})
process.stdin.on('close', () => {
  void takeOver()
})

/** The pipe closes a moment before the runner counts as dead. A runner that stopped in order has left no record. */
async function takeOver(): Promise<void> {
  const deadline = Date.now() + 5_000
  while (existsSync(`${dir}/run.json`) && Date.now() < deadline) {
    if ((await endLeftovers(openHome(dir), Number(runner))).length > 0) return
    await pause(100)
  }
}
