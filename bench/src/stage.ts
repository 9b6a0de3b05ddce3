import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { issueToken } from '@holdfast/local/issue-token'
import { programNames } from '@holdfast/local/plan'
import { startStack } from '@holdfast/local/stack'
import { readStackFile, type StackFile } from '@holdfast/local/stack-file'
import type { Options } from './options.ts'

/** The stack that is measured. */
export interface Stage {
  readonly stack: StackFile
  /** Access tokens of that many different users. */
  tokens(count: number): Promise<string[]>
  operator(): Promise<string>
  leave(): Promise<void>
}

export async function enterStage(options: Options, signal: AbortSignal): Promise<Stage> {
  if (options.url !== undefined) return { ...usersOf(runningAt(options.url)), leave: async () => {} }
  const home = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const removeHome = () => rmSync(home, { recursive: true, force: true })
  try {
    // As in production: Postgres waits for its disk, and the services say no more than usual.
    const running = await startStack({
      ...{ home, signal, durable: true, logLevel: 'info', replicas: options.replicas },
      ...(options.profile !== undefined && { env: profiling(options.profile) }),
    })
    const leave = async () => {
      await running.stop()
      removeHome()
    }
    return { ...usersOf(running.stack), leave }
  } catch (error) {
    removeHome()
    throw error
  }
}

function runningAt(url: string): StackFile {
  const stack = readStackFile()
  if (new URL(stack.gatewayUrl).origin === new URL(url).origin) return stack
  throw new Error(
    `$HOLDFAST_HOME/stack.json is of the stack at ${stack.gatewayUrl}, not ${url}: no tokens for that one.`,
  )
}

/** Each process writes its profile when it stops. */
function profiling(folder: string): Record<string, Record<string, string>> {
  const path = resolve(folder)
  mkdirSync(path, { recursive: true })
  return Object.fromEntries(
    programNames.map((name) => [
      name,
      { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${path} --cpu-prof-name=${name}.cpuprofile` },
    ]),
  )
}

/** The issuer signs with RSA: not all at once. */
const issuedAtOnce = 16

function usersOf(stack: StackFile): Omit<Stage, 'leave'> {
  return {
    stack,
    operator: () => issueToken(stack.issuerUrl, 'operator', true),
    tokens: async (count) => {
      const tokens: string[] = []
      while (tokens.length < count) {
        const names = Array.from({ length: Math.min(issuedAtOnce, count - tokens.length) }, (_, i) => tokens.length + i)
        tokens.push(...(await Promise.all(names.map((n) => issueToken(stack.issuerUrl, `buyer-${n}`)))))
      }
      return tokens
    },
  }
}
