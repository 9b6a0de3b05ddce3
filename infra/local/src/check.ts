/** `npm run check`: types, lint and format, import rules, dead code. All four run, whatever the others say. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'

const folders = ['libs', 'services', 'infra', 'tests', 'bench']

const checks = [
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
  { name: 'lint and format', command: 'biome', args: ['check', '--colors=off', '.'] },
  { name: 'import rules', command: 'depcruise', args: ['--config', '.dependency-cruiser.mjs', ...folders] },
  { name: 'dead code', command: 'knip', args: ['--no-progress'] },
]

interface Result {
  readonly name: string
  readonly passed: boolean
  readonly seconds: string
  readonly output: string
}

function run({ name, command, args }: (typeof checks)[number]): Promise<Result> {
  const startedAt = Date.now()
  const bin = join(checkoutRoot, 'node_modules', '.bin')
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  const child = spawn(join(bin, command), args, { cwd: checkoutRoot, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return new Promise((resolve) => {
    const done = (passed: boolean) =>
      resolve({ name, passed, output, seconds: ((Date.now() - startedAt) / 1_000).toFixed(1) })
    child.once('error', (error) => {
      output += error.message
      done(false)
    })
    child.once('close', (code) => done(code === 0))
  })
}

const results = await Promise.all(checks.map(run))
for (const { name, passed, output } of results) {
  if (!passed) process.stdout.write(`\n── ${name} ${'─'.repeat(80 - name.length)}\n${output.trim()}\n`)
}
process.stdout.write('\n')
for (const { name, passed, seconds } of results) {
  process.stdout.write(`${passed ? '✔' : '✘'} ${name.padEnd(16)} ${passed ? 'passed' : 'failed'} (${seconds} s)\n`)
}
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1
