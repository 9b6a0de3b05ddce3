import type { Databases } from './databases.ts'
import type { External } from './external.ts'
import type { Home } from './home.ts'
import { type Instance, type ProgramName, programs } from './plan.ts'

export interface Surroundings {
  readonly home: Home
  readonly environment: NodeJS.ProcessEnv
  readonly external: External
  readonly instances: readonly Instance[]
  readonly metricsPorts: ReadonlyMap<string, number>
  /** Not known while the stand-ins start, which need neither. */
  readonly databases?: Databases | undefined
  readonly rabbitmqUrl?: string | undefined
  readonly logLevel?: string | undefined
  /** On top, by program. */
  readonly env?: Partial<Record<string, Record<string, string>>> | undefined
}

/**
 * What a process is told by environment: the contract between `npm start` and the services. What the user has set
 * passes through, except for who listens where.
 */
export function serviceEnvironment(around: Surroundings, instance: Instance): NodeJS.ProcessEnv {
  const { environment, env } = around
  const defaults = { LOG_LEVEL: around.logLevel ?? 'info', ...generous }
  const given = { ...defaults, ...environment, ...common(around, instance), ...own(around, instance) }
  return { ...given, ...env?.[instance.program], ...env?.[instance.name] }
}

/** Where the webhooks of a stack without a gateway go. */
const nobody = 'http://127.0.0.1:1'

/** One person at one machine is no attack. */
const generous = { RATE_LIMIT_PER_USER: '1000000', RATE_LIMIT_PER_ADDRESS: '1000000' }

function common({ environment, external, instances }: Surroundings, instance: Instance): NodeJS.ProcessEnv {
  const issuer = instances.find(({ program }) => program === 'cognito-issuer')
  return {
    // Jest's own must not reach the services: tests try them as they are.
    NODE_ENV: environment.NODE_ENV === 'test' ? 'development' : (environment.NODE_ENV ?? 'development'),
    HOST: '127.0.0.1',
    PORT: String(instance.port),
    SERVICE_INSTANCE: instance.name,
    COGNITO_USER_POOL_ID: external.cognito.poolId,
    COGNITO_CLIENT_ID: external.cognito.clientId,
    ...(issuer && { COGNITO_JWKS_ORIGIN: issuer.url }),
  }
}

function own(around: Surroundings, { name, program }: Instance): NodeJS.ProcessEnv {
  const { home, databases, rabbitmqUrl } = around
  switch (program) {
    case 'inventory':
    case 'reservation':
      return { DATABASE_URL: databases?.[programs[program].database], RABBITMQ_URL: rabbitmqUrl }
    case 'payment':
      return { DATABASE_URL: databases?.payment, RABBITMQ_URL: rabbitmqUrl, ...stripe(around) }
    case 'timeout':
      return { RABBITMQ_URL: rabbitmqUrl }
    case 'gateway':
      return {
        INVENTORY_URLS: urls(around, 'inventory'),
        RESERVATION_URLS: urls(around, 'reservation'),
        PAYMENT_URLS: urls(around, 'payment'),
        METRICS_PORT: String(around.metricsPorts.get(name)),
      }
    case 'stripe-emulator':
      return {
        ...stripe(around),
        STRIPE_PUBLISHABLE_KEY: around.external.stripe.publishableKey,
        STRIPE_WEBHOOK_URL: `${urls(around, 'gateway').split(',')[0] || nobody}/v1/webhooks/stripe`,
        STRIPE_EMULATOR_DATA: home.path('stripe-emulator'),
      }
    case 'cognito-issuer':
      return { COGNITO_ISSUER_DATA: home.path('cognito-issuer') }
  }
}

function stripe({ external, instances }: Surroundings): NodeJS.ProcessEnv {
  const emulator = instances.find(({ program }) => program === 'stripe-emulator')
  return {
    STRIPE_SECRET_KEY: external.stripe.secretKey,
    STRIPE_WEBHOOK_SECRET: external.stripe.webhookSecret,
    ...(emulator && { STRIPE_API_URL: emulator.url }),
  }
}

function urls({ instances }: Surroundings, program: ProgramName): string {
  return instances
    .filter((instance) => instance.program === program)
    .map(({ url }) => url)
    .join(',')
}
