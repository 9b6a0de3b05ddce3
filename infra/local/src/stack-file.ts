import { existsSync, readFileSync, rmSync } from 'node:fs'
import { z } from 'zod'
import { databaseNames } from './databases.ts'
import { defaultHomeDir, type Home, openHome, writeAtomically } from './home.ts'

/** `$HOLDFAST_HOME/stack.json`: what a running stack tells scripts about itself. An interface; keep it stable. */
export const StackFile = z.object({
  gatewayUrl: z.url(),
  issuerUrl: z.url(),
  stripeUrl: z.url(),
  stripeSecretKey: z.string(),
  stripePublishableKey: z.string(),
  stripeWebhookSecret: z.string(),
  rabbitmqUrl: z.string(),
  /** With user and password, like all the others; fetch wants those in a header. */
  rabbitmqManagementUrl: z.url(),
  databases: z.record(z.enum(databaseNames), z.url()),
  processes: z.array(z.object({ name: z.string(), pid: z.number().int(), log: z.string(), url: z.url().optional() })),
})
export type StackFile = z.infer<typeof StackFile>

export function writeStackFile(home: Home, stack: StackFile): void {
  // Passwords are in it.
  writeAtomically(home.path('stack.json'), `${JSON.stringify(stack, null, 2)}\n`, 0o600)
}

export function removeStackFile(home: Home): void {
  rmSync(home.path('stack.json'), { force: true })
}

export class NothingRunning extends Error {}

/** The stack that runs in this home (by default the one `npm start` uses). */
export function readStackFile(dir: string = defaultHomeDir()): StackFile {
  const file = `${dir}/stack.json`
  if (!existsSync(file)) {
    throw new NothingRunning(`No stack is running: there is no ${file}. Start one with "npm start".`)
  }
  return StackFile.parse(JSON.parse(readFileSync(openHome(dir).path('stack.json'), 'utf8')))
}
