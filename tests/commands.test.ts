import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from '@jest/globals'

/** The commands, run as programs by somebody who mistypes, or who has no stack. */

const root = join(import.meta.dirname, '..')

function start(file: string, args: readonly string[]) {
  // A Jest worker's own flags are not for this process, and a stack that happens to run here is not asked.
  const env = { ...process.env, NODE_OPTIONS: '', HOLDFAST_HOME: join(root, 'tests', 'no-such-home') }
  return spawn(process.execPath, [join(root, file), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function run(file: string, ...args: string[]) {
  const program = start(file, args)
  const [out, error] = await Promise.all([text(program.stdout), text(program.stderr), once(program, 'close')])
  return { code: program.exitCode, out, error }
}

describe('what cannot be meant ends with 1 and names the mistake', () => {
  test.each([
    [
      'tests/smoke.ts',
      ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
      /^One gateway at a time, .*\nUsage: npm run smoke/,
    ],
    ['tests/smoke.ts', ['localhost:8080'], /^"localhost:8080" is no http URL\.\nUsage: npm run smoke/],
    ['tests/demo.ts', ['--fast'], /^Unknown option '--fast'/],
    ['tests/demo.ts', ['expired'], /^Unexpected argument 'expired'/],
    [
      'infra/operations/src/verify.ts',
      ['--gateway', 'http://127.0.0.1:1/', '--token', 'x'],
      /^http:\/\/127\.0\.0\.1:1 does not answer: /,
    ],
  ])('%s %j', async (file, args, message) => {
    const ran = await run(file, ...args)
    expect(ran).toMatchObject({ code: 1, out: '', error: expect.stringMatching(message) })
  })
})

test('doctor ends in silence when nobody reads on', async () => {
  const program = start('infra/local/src/doctor.ts', [])
  program.stdout.destroy()
  const [error] = await Promise.all([text(program.stderr), once(program, 'close')])
  expect(error).toBe('')
})
