/**
 * `npm run doctor [-- --env-file production.env] [--gateway https://api.example.com]`: checks what is set and what it leads
 * to, and says how to mend each fault. Exit code 1 if there is one. It changes nothing anywhere, and prints no secret.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { parseArgs, parseEnv } from 'node:util'
import { checkAccounts } from './doctor-accounts.ts'
import type { Finding } from './doctor-finding.ts'
import { checkMachine } from './doctor-machine.ts'
import { checkServers } from './doctor-servers.ts'
import { checkSettings } from './doctor-settings.ts'
import { checkoutRoot } from './home.ts'
import { NothingRunning, readStackFile } from './stack-file.ts'

const marks = { ok: '✓', note: '·', warning: '!', fault: '✗' } as const

async function main(): Promise<void> {
  // Whoever was reading (head, less) may be gone.
  process.stdout.on('error', () => process.exit(1))
  const { values } = parseArgs({ options: { 'env-file': { type: 'string' }, gateway: { type: 'string' } } })
  const { environment, from } = await whatIsSet(values['env-file'], values.gateway)
  process.stdout.write(`What is set: ${from}\n`)
  trust(environment)
  let faults = 0
  const tell = async (title: string, findings: Promise<Finding[]> | Finding[]) => {
    process.stdout.write(`\n${title}\n`)
    for (const { verdict, says, mend } of await findings) {
      if (verdict === 'fault') faults += 1
      process.stdout.write(`  ${marks[verdict]} ${says}\n${mend ? `      → ${mend}\n` : ''}`)
    }
  }
  await tell('This machine', checkMachine(environment))
  await tell('Settings', checkSettings(environment))
  await tell('Databases and broker', checkServers(environment))
  await tell('Cognito, Stripe, gateway', checkAccounts(environment))
  process.stdout.write(faults === 0 ? '\nNo fault found.\n' : `\n${faults} to mend.\n`)
  process.exitCode = faults === 0 ? 0 : 1
}

/** A file's settings, under those of the shell; without any, those of the stack that runs here. */
async function whatIsSet(file: string | undefined, gateway: string | undefined) {
  const path = file ?? join(checkoutRoot, '.env')
  if (file !== undefined && !existsSync(file)) throw new Error(`There is no ${file}.`)
  const given = existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {}
  const environment: NodeJS.ProcessEnv = { ...given, ...process.env, ...(gateway && { GATEWAY_URL: gateway }) }
  for (const [name, value] of Object.entries(environment)) if (value === '') delete environment[name]
  const some = ['RABBITMQ_URL', 'STRIPE_SECRET_KEY', 'COGNITO_USER_POOL_ID', 'RESERVATION_DATABASE_URL']
  if (some.some((name) => environment[name])) {
    return { environment, from: existsSync(path) ? `${path} and the environment` : 'the environment' }
  }
  try {
    const stack = readStackFile()
    const running = {
      GATEWAY_URL: stack.gatewayUrl,
      RABBITMQ_URL: stack.rabbitmqUrl,
      INVENTORY_DATABASE_URL: stack.databases.inventory,
      RESERVATION_DATABASE_URL: stack.databases.reservation,
      PAYMENT_DATABASE_URL: stack.databases.payment,
      STRIPE_SECRET_KEY: stack.stripeSecretKey,
      STRIPE_PUBLISHABLE_KEY: stack.stripePublishableKey,
      STRIPE_WEBHOOK_SECRET: stack.stripeWebhookSecret,
      ...(isLocal(stack.stripeUrl) && { STRIPE_API_URL: stack.stripeUrl }),
      ...(isLocal(stack.issuerUrl) && {
        COGNITO_USER_POOL_ID: 'us-east-1_Holdfast1',
        COGNITO_CLIENT_ID: 'holdfastlocal',
        COGNITO_JWKS_ORIGIN: stack.issuerUrl,
      }),
    }
    return { environment: { ...environment, ...running }, from: 'the stack that "npm start" runs here' }
  } catch (error) {
    if (!(error instanceof NothingRunning)) throw error
    return { environment, from: 'nothing, and no stack is running; see docs/production.md' }
  }
}

/** As a service with these settings does: Node reads this one by itself, of its own environment, when it starts. */
function trust({ NODE_EXTRA_CA_CERTS: file }: NodeJS.ProcessEnv): void {
  if (!file || file === process.env.NODE_EXTRA_CA_CERTS) return
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(file, 'utf8')])
}

const isLocal = (url: string) => new URL(url).hostname === '127.0.0.1'

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
