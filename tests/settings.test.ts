import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { misconfigured } from '@holdfast/runtime/config'
import { expect, test } from '@jest/globals'
import type { z } from 'zod'
import { Settings as gateway } from '../services/gateway/src/config.ts'
import { settings as inventory } from '../services/inventory/src/config.ts'
import { settings as payment } from '../services/payment/src/config.ts'
import { settings as reservation } from '../services/reservation/src/config.ts'
import { settings as timeout } from '../services/timeout/src/config.ts'

const schemas: Record<string, z.ZodObject> = { gateway, inventory, payment, reservation, timeout }
const services = Object.entries(schemas)

/** `NAME=value`, also where it stands behind a `#` because it is not usually set. */
const lines = [...readFileSync(new URL('../.env.example', import.meta.url), 'utf8').matchAll(/^(# )?([A-Z_]+)=(.*)$/gm)]
const active = Object.fromEntries(lines.filter(([, hash]) => !hash).map(([, , name = '', value = '']) => [name, value]))

test('.env.example names every setting there is, and none that is not', () => {
  const declared = new Set(services.flatMap(([, schema]) => Object.keys(schema.shape)))
  expect(new Set(lines.map(([, , name]) => name))).toEqual(declared)
})

test.each(services)('.env.example is what %s accepts', (_name, schema) => {
  expect(schema.safeParse(active).error?.issues).toBeUndefined()
})

test.each(services)('%s does not start with a wrong environment, and names every fault', async (name) => {
  const { code, output } = await start(name, { PORT: 'eighty', LOG_LEVEL: 'loud', COGNITO_USER_POOL_ID: 'none' })
  expect(code).toBe(misconfigured)
  expect(output).toMatch('PORT:')
  expect(output).toMatch('LOG_LEVEL:')
  if (name !== 'timeout') expect(output).toMatch('COGNITO_USER_POOL_ID:')
  if (name !== 'gateway') expect(output).toMatch('RABBITMQ_URL:')
})

test.each(['gateway', 'inventory', 'reservation', 'payment'])(
  '%s refuses the stand-ins in production',
  async (name) => {
    const standIns = { COGNITO_JWKS_ORIGIN: 'http://127.0.0.1:9229', STRIPE_API_URL: 'http://127.0.0.1:12111' }
    const { code, output } = await start(name, { ...active, ...standIns, NODE_ENV: 'production' })
    expect(code).toBe(misconfigured)
    expect(output).toMatch('COGNITO_JWKS_ORIGIN: is for local stand-ins and refused in production')
    if (name === 'payment') expect(output).toMatch('STRIPE_API_URL: is for local stand-ins')
  },
)

function start(service: string, env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const file = new URL(`../services/${service}/src/main.ts`, import.meta.url).pathname
  const child = spawn(process.execPath, [file], { env: { PATH: process.env.PATH, ...env } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}
