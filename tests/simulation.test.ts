import { spawn } from 'node:child_process'
import { expect, test } from '@jest/globals'

/** The promises, held against stories of guests and trouble (tests/simulation/story.ts): the same ones each time. */
const seeds = 1_000

/** How stories have to end now and then: if nothing ever happened in them, they would prove nothing. */
const endings = [
  'cancelled',
  'cancelled, late_payment_refunded',
  'confirmed',
  'confirmed, late_payment_confirmed',
  'expired',
  'expired, late_payment_refunded',
]

test(`in ${seeds} stories no seat is sold twice, no money goes astray, and nothing stays stuck`, async () => {
  const { code, output } = await simulate('--seeds', String(seeds))
  // What failed, with its seed and its story.
  if (code !== 0) throw new Error(output)
  for (const ending of endings) expect(output).toMatch(new RegExp(`\\d ${ending}$`, 'm'))
}, 120_000)

test('the same seed tells the same story', async () => {
  const [first, second] = await Promise.all([simulate('--seed', '11'), simulate('--seed', '11')])
  expect(first.output.split('\n').length).toBeGreaterThan(10)
  expect(second.output).toBe(first.output)
})

/** In a process of its own: in Jest's it would take twice as long, and has to replace the clock. */
function simulate(...args: string[]): Promise<{ code: number | null; output: string }> {
  const file = new URL('./simulation/main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, ...args], { env: { PATH: process.env.PATH } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}
