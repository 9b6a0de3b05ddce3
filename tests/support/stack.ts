import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueToken } from '@holdfast/local/issue-token'
import { type RunningStack, startStack } from '@holdfast/local/stack'
import { afterAll, beforeAll } from '@jest/globals'
import pg from 'pg'
import { type Api, apiAt } from './api.ts'
import { type Emulator, emulatorAt } from './emulator.ts'
import { type StripeJs, stripeJs } from './stripe-js.ts'

/** A whole stack for a test file: every service, a real Postgres and RabbitMQ, the emulator and the issuer. */
export interface TestStack {
  readonly running: RunningStack
  readonly api: Api
  readonly stripeJs: StripeJs
  readonly emulator: Emulator
  token(user: string): Promise<string>
  /** Rows of a service's own database, to look at what the API doesn't show. */
  rows<Row>(database: 'inventory' | 'reservation' | 'payment', sql: string, values?: unknown[]): Promise<Row[]>
  stop(): Promise<void>
}

/** `operator` is the one user that may change the catalogue. */
export const operator = 'operator'

export async function startTestStack(
  env: Record<string, Record<string, string>> = {},
  replicas: Record<string, number> = {},
): Promise<TestStack> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'))
  const running = await startStack({
    home,
    env,
    durable: false,
    logLevel: process.env.TEST_LOG_LEVEL ?? 'warn',
    replicas,
  })
  const { stack } = running
  const tokens = new Map<string, Promise<string>>()
  const token = (user: string) => {
    const known = tokens.get(user) ?? issueToken(stack.issuerUrl, user, user === operator)
    tokens.set(user, known)
    return known
  }
  const pools = new Map<string, pg.Pool>()
  return {
    running,
    token,
    api: apiAt(stack.gatewayUrl, token),
    stripeJs: stripeJs(stack.stripeUrl, stack.stripePublishableKey),
    emulator: emulatorAt(stack.stripeUrl, stack.stripeSecretKey),
    rows: async (database, sql, values) => {
      const pool = pools.get(database) ?? new pg.Pool({ connectionString: running.stack.databases[database], max: 2 })
      pools.set(database, pool)
      return (await pool.query(sql, values)).rows
    },
    stop: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.end()))
      await running.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/**
 * The stack of a test file whose tests are spread over several modules: it starts before the first test and stops after
 * the last. Until then there is nothing to ask it.
 */
export function stackOfThisFile(...options: Parameters<typeof startTestStack>): TestStack {
  let started: TestStack | undefined
  beforeAll(async () => {
    started = await startTestStack(...options)
  }, 120_000)
  afterAll(() => started?.stop(), 60_000)
  return new Proxy({} as TestStack, {
    get: (_target, name) => {
      if (!started) throw new Error('the stack starts with the first test')
      return started[name as keyof TestStack]
    },
  })
}
