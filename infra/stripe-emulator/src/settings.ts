import { z } from 'zod'
import type { Endpoint } from './webhooks.ts'

const nonEmpty = z.string().min(1)

/** Every setting, from the environment. */
const Environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(12_111),
  HOST: nonEmpty.default('127.0.0.1'),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^sk_test_\w+$/, 'must start with sk_test_')
    .default('sk_test_holdfast'),
  STRIPE_PUBLISHABLE_KEY: z
    .string()
    .regex(/^pk_test_\w+$/, 'must start with pk_test_')
    .default('pk_test_holdfast'),
  STRIPE_WEBHOOK_SECRET: nonEmpty.default('whsec_holdfast'),
  STRIPE_WEBHOOK_URL: z.url({ protocol: /^https?$/ }).optional(),
  STRIPE_WEBHOOK_EVENTS: z
    .string()
    .regex(/^[a-z_.]+(,[a-z_.]+)*$/, 'must be event types with commas between them')
    .optional(),
  STRIPE_EMULATOR_DATA: nonEmpty.optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  NODE_ENV: z
    .string()
    .optional()
    .refine((value) => value !== 'production', 'this is a stand-in: it never runs in production'),
})

export interface Settings {
  /** 0 takes a free one. */
  port: number
  host: string
  keys: { secret: string; publishable: string }
  webhook: Endpoint
  /** A folder for the journal; without one, nothing outlives the process. */
  data?: string | undefined
  logLevel: string
}

/** Reads the settings, or throws one error that names every fault. */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`)
    throw new Error(`The Stripe emulator cannot start:\n${faults.join('\n')}`)
  }
  const env = parsed.data
  return {
    port: env.PORT,
    host: env.HOST,
    keys: { secret: env.STRIPE_SECRET_KEY, publishable: env.STRIPE_PUBLISHABLE_KEY },
    webhook: {
      secret: env.STRIPE_WEBHOOK_SECRET,
      url: env.STRIPE_WEBHOOK_URL,
      events: env.STRIPE_WEBHOOK_EVENTS?.split(','),
    },
    data: env.STRIPE_EMULATOR_DATA,
    logLevel: env.LOG_LEVEL,
  }
}
