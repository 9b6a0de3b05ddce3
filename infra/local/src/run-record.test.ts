import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, test } from '@jest/globals'
import { openHome, readJson, writeAtomically } from './home.ts'
import { identify, isAlive } from './process-identity.ts'
import { endLeftovers, openRunRecord } from './run-record.ts'

const home = openHome(mkdtempSync(join(openHome().dir, 'record-test-')))
const sleepers: ChildProcess[] = []

afterAll(() => {
  for (const sleeper of sleepers) sleeper.kill('SIGKILL')
  rmSync(home.dir, { recursive: true, force: true })
})

function sleeper() {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  sleepers.push(child)
  const identity = identify(child.pid ?? 0)
  if (!identity) throw new Error('The sleeper did not start')
  return identity
}

async function untilDead(process: { pid: number; startedAt: string }): Promise<void> {
  const deadline = Date.now() + 10_000
  while (isAlive(process)) {
    if (Date.now() > deadline) throw new Error(`${process.pid} lives on`)
    await pause(20)
  }
}

test('the next start ends what a killed one left behind, and nothing that merely has the same pid', async () => {
  const left = sleeper()
  const stranger = sleeper()
  const runner = { pid: process.pid, startedAt: 'in another life' }
  const processes = { left, stranger: { ...stranger, startedAt: 'in another life' } }
  writeAtomically(home.path('run.json'), JSON.stringify({ runner, processes }))
  writeAtomically(home.path('runner.json'), JSON.stringify(runner))
  const said: string[] = []
  const record = await openRunRecord(home, (line) => said.push(line))
  expect(isAlive(left)).toBe(false)
  expect(isAlive(stranger)).toBe(true)
  expect(said).toEqual(['Ended what an earlier run had left behind: left'])
  record.close()
})

test('a live run’s processes are left alone', async () => {
  const record = await openRunRecord(home, () => {})
  const own = sleeper()
  record.add('own', own.pid)
  expect(await endLeftovers(home)).toEqual([])
  expect(isAlive(own)).toBe(true)
  record.close()
})

test('when a runner is killed, its guardian ends what it had started', async () => {
  const orphan = sleeper()
  const module = new URL('run-record.ts', import.meta.url).href
  const homes = new URL('home.ts', import.meta.url).href
  const script = home.path('runner.ts')
  writeFileSync(
    script,
    `import { openRunRecord } from ${JSON.stringify(module)}
     import { openHome } from ${JSON.stringify(homes)}
     const record = await openRunRecord(openHome(${JSON.stringify(home.dir)}), () => {})
     record.add('orphan', ${orphan.pid})
     setInterval(() => {}, 1000)`,
  )
  const runner = spawn(process.execPath, [script], { stdio: 'ignore' })
  sleepers.push(runner)
  const deadline = Date.now() + 10_000
  while (!readJson<{ processes: { orphan?: unknown } }>(home.path('run.json'))?.processes.orphan) {
    if (Date.now() > deadline) throw new Error('The runner did not start')
    await pause(20)
  }
  runner.kill('SIGKILL')
  await untilDead(orphan)
})
