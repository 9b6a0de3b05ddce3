import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultHomeDir } from '@holdfast/local/home'
import { issueToken } from '@holdfast/local/issue-token'
import { startStack } from '@holdfast/local/stack'
import { NothingRunning, readStackFile, type StackFile } from '@holdfast/local/stack-file'
import { type Api, apiAt } from '../support/api.ts'
import { type StripeJs, stripeJs } from '../support/stripe-js.ts'

/** Where the demo plays: the stack that runs, or one of its own. */
export interface Stage {
  /** A sentence about which of the two it is. */
  readonly description: string
  readonly api: Api
  readonly stripeJs: StripeJs
  /** Stops what was started for the demo; a stack that ran before goes on. */
  leave(): Promise<void>
}

export const operator = 'operator'

export async function enterStage(say: (line: string) => void, signal: AbortSignal): Promise<Stage> {
  const running = await runningStack()
  if (running) {
    const description = `On the stack that is running at ${running.gatewayUrl} (${defaultHomeDir()}/stack.json).`
    return { ...toolsFor(running), description, leave: async () => {} }
  }
  say('No stack is running; starting one for the demo, which takes some ten seconds.')
  const home = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
  try {
    const own = await startStack({ home, durable: false, logLevel: 'warn', signal })
    return {
      ...toolsFor(own.stack),
      description: `On a stack of its own at ${own.stack.gatewayUrl}.`,
      leave: async () => {
        await own.stop()
        rmSync(home, { recursive: true, force: true })
      },
    }
  } catch (error) {
    rmSync(home, { recursive: true, force: true })
    throw error
  }
}

/** A stack that was killed leaves its file behind: what counts is whether its gateway is ready. */
async function runningStack(): Promise<StackFile | undefined> {
  try {
    const stack = readStackFile()
    const response = await fetch(`${stack.gatewayUrl}/health/ready`, { signal: AbortSignal.timeout(5_000) })
    await response.arrayBuffer()
    return response.ok ? stack : undefined
  } catch (error) {
    const unreachable = error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
    if (error instanceof NothingRunning || unreachable) return undefined
    throw error
  }
}

function toolsFor(stack: StackFile): Pick<Stage, 'api' | 'stripeJs'> {
  const { gatewayUrl, issuerUrl, stripeUrl, stripePublishableKey } = stack
  // Its cards are Stripe's test cards by number, which Stripe itself takes from Stripe.js alone.
  if (new URL(stripeUrl).hostname !== '127.0.0.1')
    throw new Error(`This stack uses Stripe itself (${stripeUrl}); the demo needs the local stand-in.`)
  const tokens = new Map<string, Promise<string>>()
  const token = (user: string) => {
    const known = tokens.get(user) ?? issueToken(issuerUrl, user, user === operator)
    tokens.set(user, known)
    return known
  }
  return { api: apiAt(gatewayUrl, token), stripeJs: stripeJs(stripeUrl, stripePublishableKey) }
}
