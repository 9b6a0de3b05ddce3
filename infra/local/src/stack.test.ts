import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { openHome } from './home.ts'
import { parseReplicas } from './plan.ts'
import { openPorts } from './ports.ts'
import { type RunningStack, startStack } from './stack.ts'
import { readStackFile, StackFile } from './stack-file.ts'

/** The run's own Postgres and RabbitMQ, as if a user had named them. */
const environment = {
  PATH: process.env.PATH,
  POSTGRES_URL: process.env.TEST_POSTGRES_ADMIN_URL,
  RABBITMQ_URL: process.env.TEST_RABBITMQ_URL,
  RABBITMQ_MANAGEMENT_URL: process.env.TEST_RABBITMQ_MANAGEMENT_URL,
}

const start = (home: string) => startStack({ home, environment, only: ['cognito-issuer'] })
const newHome = () => mkdtempSync(join(openHome().dir, 'stack-test-'))

async function eventually<T>(read: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 10_000
  while (Date.now() < deadline) {
    const value = read()
    if (value) return value
    await pause(20)
  }
  throw new Error('It did not happen within ten seconds')
}

describe('a running stack', () => {
  const home = newHome()
  let running: RunningStack

  beforeAll(async () => {
    running = await start(home)
  })

  afterAll(async () => {
    await running.stop()
    rmSync(home, { recursive: true })
  })

  test('says in stack.json, readable by its owner alone, where everything is', () => {
    const file = join(home, 'stack.json')
    const content = StackFile.strict().parse(JSON.parse(readFileSync(file, 'utf8')))
    expect(content).toEqual(running.stack)
    expect(content.processes).toEqual([
      { name: 'cognito-issuer', pid: expect.any(Number), log: expect.any(String), url: content.issuerUrl },
    ])
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readStackFile(home)).toEqual(content)
  })

  test('gives each service a database that it owns and no other can connect to', async () => {
    const { inventory, payment } = running.stack.databases
    const own = new pg.Client({ connectionString: inventory })
    await own.connect()
    await own.query('create table own_table (id int)')
    await own.query('drop table own_table')
    await own.end()
    const foreign = new URL(inventory)
    foreign.pathname = new URL(payment).pathname
    await expect(new pg.Client({ connectionString: foreign.href }).connect()).rejects.toMatchObject({ code: '42501' })
  })

  test('starts a process that was killed again, and its new pid is in stack.json', async () => {
    const before = readStackFile(home).processes[0]?.pid
    running.kill('cognito-issuer')
    const after = await eventually(() => readStackFile(home).processes.find(({ pid }) => pid !== before))
    expect(after.name).toBe('cognito-issuer')
  })

  test('keeps down what is told to, until it is told otherwise', async () => {
    await running.down('cognito-issuer')
    expect(readStackFile(home).processes).toEqual([])
    await running.up('cognito-issuer')
    expect(readStackFile(home).processes).toHaveLength(1)
  })

  test('is the only one in its home', async () => {
    await expect(start(home)).rejects.toThrow(`A stack with the home ${home} is running already`)
  })
})

test('a stopped stack leaves no stack.json and no process, and comes back where it was', async () => {
  const home = newHome()
  const first = await start(home)
  const [issuer] = first.stack.processes
  await first.stop()
  expect(() => readStackFile(home)).toThrow('No stack is running')
  expect(() => process.kill(issuer?.pid ?? 0, 0)).toThrow('ESRCH')
  const second = await start(home)
  expect(second.stack.issuerUrl).toBe(first.stack.issuerUrl)
  await second.stop()
  rmSync(home, { recursive: true })
})

describe('ports', () => {
  const home = openHome(newHome())
  const server = createServer()

  afterEach(() => new Promise((done) => server.close(done)))
  afterAll(() => rmSync(home.dir, { recursive: true }))

  test('one that is set and taken is an error; one that was only remembered is replaced', async () => {
    const remembered = await openPorts(home, {}, {}).get('gateway')
    await new Promise<void>((done) => server.listen(remembered, '127.0.0.1', done))
    await expect(openPorts(home, {}, { GATEWAY_PORT: String(remembered) }).get('gateway')).rejects.toThrow(
      `Port ${remembered} is taken`,
    )
    expect(await openPorts(home, {}, {}).get('gateway')).not.toBe(remembered)
  })
})

test('a service that cannot run as it is set is told at once, and not started over and over', async () => {
  const home = newHome()
  const env = { reservation: { SWEEP_INTERVAL_SECONDS: '-1' } }
  const starting = startStack({ home, environment, only: ['reservation'], env })
  await expect(starting).rejects.toThrow(/reservation cannot run with these settings.*SWEEP_INTERVAL_SECONDS/s)
  await expect(starting).rejects.not.toThrow(/SWEEP_INTERVAL_SECONDS.*SWEEP_INTERVAL_SECONDS/s)
  rmSync(home, { recursive: true })
})

test('REPLICAS names services and how many of each', () => {
  expect(parseReplicas('reservation=2, inventory=3')).toEqual({ reservation: 2, inventory: 3 })
  expect(parseReplicas(undefined)).toEqual({})
  for (const wrong of ['postgres=2', 'reservation', 'reservation=0', 'reservation=1000']) {
    expect(() => parseReplicas(wrong)).toThrow('REPLICAS')
  }
})
