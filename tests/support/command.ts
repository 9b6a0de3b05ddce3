import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { TestStack } from './stack.ts'

export type Command = 'verify' | 'trace' | 'dead-letters'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly error: string
}

/** Runs a command of whoever is on call as they run it: as a program, against this stack. */
export function runCommand({ running }: TestStack, command: Command, ...args: string[]): Promise<Ran> {
  const { databases, stripeUrl, stripeSecretKey } = running.stack
  return runIn(
    {
      ...process.env,
      // A Jest worker's own flags are not for this process.
      NODE_OPTIONS: '',
      INVENTORY_DATABASE_URL: databases.inventory,
      RESERVATION_DATABASE_URL: databases.reservation,
      PAYMENT_DATABASE_URL: databases.payment,
      STRIPE_API_URL: stripeUrl,
      STRIPE_SECRET_KEY: stripeSecretKey,
    },
    command,
    ...args,
  )
}

/** With no more environment than is given. */
export function runIn(env: NodeJS.ProcessEnv, command: Command, ...args: string[]): Promise<Ran> {
  const file = fileURLToPath(new URL(`../../infra/operations/src/${command}.ts`, import.meta.url))
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file, ...args], { env, timeout: 60_000 }, (error, out, stderr) => {
      if (error && typeof error.code !== 'number') reject(error)
      else resolve({ code: Number(error?.code ?? 0), out, error: stderr })
    })
  })
}
