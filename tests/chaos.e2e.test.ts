import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from '@jest/globals'

/** A short `npm run chaos`, with another seed each time; `npm run chaos -- --hurry --seed …` is the same again. */

const seed = Math.floor(Math.random() * 1_000_000)
const dir = mkdtempSync(join(tmpdir(), 'holdfast-chaos-report-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** One of each kind that needs no long wait: what dies, what is cut off, what Stripe does. */
const faults = ['killed', 'wire-postgres:cut', 'wire-rabbitmq:black-holed', 'webhooks', 'stripe-api', 'rabbitmq:queues']
const bookings = 80

interface Report {
  readonly bookings: number
  readonly incidents: readonly unknown[]
  readonly breaches: readonly unknown[]
}

test(`seed ${seed}: ${bookings} bookings while parts die, are cut off and lied to: nothing is lost, doubled or stuck`, async () => {
  const out = join(dir, 'report.json')
  const { code, output } = await chaos(
    ...['--hurry', '--seed', String(seed), '--bookings', String(bookings), '--minutes', '0.4', '--every', '3'],
    ...['--faults', faults.join(','), '--out', out],
  )
  // What is broken, with the stories of those reservations.
  if (code !== 0) throw new Error(output)
  const report = JSON.parse(readFileSync(out, 'utf8')) as Report
  expect(report).toMatchObject({ bookings, breaches: [] })
  expect(report.incidents.length).toBeGreaterThan(0)
}, 400_000)

/** In a process of its own, as it is run by hand: Jest's flags are not for the services it starts. */
function chaos(...args: string[]): Promise<{ code: number; output: string }> {
  const file = fileURLToPath(new URL('./chaos/main.ts', import.meta.url))
  const env = { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: 'warn' }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file, ...args], { env, maxBuffer: 10_000_000 }, (error, out, err) => {
      if (error && typeof error.code !== 'number') reject(error)
      else resolve({ code: Number(error?.code ?? 0), output: `${err}\n${out}` })
    })
  })
}
