import { z } from 'zod'

/** Settings come from the environment alone, through one schema per service. */

/** The exit code of whoever cannot run as it is set: starting it again would change nothing (EX_CONFIG of sysexits.h). */
export const misconfigured = 78

export class ConfigError extends Error {
  readonly faults: string[]

  constructor(faults: string[]) {
    super(`The environment is not as this service needs it:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** Parses `env`; throws a `ConfigError` that lists every fault at once. An empty variable counts as absent. */
export function loadConfig<Schema extends z.ZodType>(schema: Schema, env: NodeJS.ProcessEnv): z.infer<Schema> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (result.success) return result.data
  throw new ConfigError(
    result.error.issues.map((issue) => `${issue.path.join('.') || 'environment'}: ${issue.message}`),
  )
}

const Port = z.coerce.number().int().min(0).max(65_535)
const url = (...schemes: string[]) =>
  z
    .url()
    .refine(
      (value) => schemes.some((scheme) => value.startsWith(`${scheme}:`)),
      `must be a ${schemes.join(' or ')} URL`,
    )

/** One or several, separated by commas. */
const urls = (...schemes: string[]) =>
  z
    .string()
    .transform((list) => list.split(',').map((item) => item.trim()))
    .pipe(z.array(url(...schemes)).min(1))

export const HttpUrl = url('http', 'https')
export const HttpUrls = urls('http', 'https')
export const flag = (byDefault: boolean) => z.stringbool().default(byDefault)
export const seconds = (byDefault: number) => z.coerce.number().min(0.05).max(86_400).default(byDefault)
export const count = (byDefault: number, max = 1_000_000_000) =>
  z.coerce.number().int().min(1).max(max).default(byDefault)

/** What every service has. */
export const commonSettings = {
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  HOST: z.string().default('127.0.0.1'),
  PORT: Port,
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** Tells instances of one service apart in logs: `reservation-2`. */
  SERVICE_INSTANCE: z.string().optional(),
}

export const databaseSettings = {
  DATABASE_URL: url('postgres', 'postgresql'),
  /** Connections of each instance for the hot path; reads of lists and catalogues have half as many of their own. */
  DATABASE_POOL: count(10, 200),
}

export const brokerSettings = {
  /** The nodes of a cluster, tried in turn. */
  RABBITMQ_URL: urls('amqp', 'amqps'),
}

export const identitySettings = {
  COGNITO_USER_POOL_ID: z.string().regex(/^[a-z0-9-]+_[A-Za-z0-9]+$/, 'must look like us-east-1_AbCdEf123'),
  COGNITO_CLIENT_ID: z.string().min(1),
  /** Where the local issuer serves its keys. Only the place they are fetched from changes, not how tokens are judged. */
  COGNITO_JWKS_ORIGIN: HttpUrl.optional(),
}

export const portSetting = Port

/** Refuses settings that point at a stand-in when the service runs in production. */
export function refuseInProduction<Settings extends { NODE_ENV: string }>(...standIns: (keyof Settings & string)[]) {
  return (settings: Settings, context: z.RefinementCtx<Settings>): void => {
    if (settings.NODE_ENV !== 'production') return
    for (const name of standIns) {
      if (settings[name] === undefined) continue
      context.addIssue({ code: 'custom', path: [name], message: 'is for local stand-ins and refused in production' })
    }
  }
}
