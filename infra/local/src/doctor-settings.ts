import { databaseNames } from './databases.ts'
import { type Finding, fault, isNear, note, ok, warning } from './doctor-finding.ts'

/** What can be told from the settings alone. Pure: nothing is asked over a network. */
export function checkSettings(environment: NodeJS.ProcessEnv): Finding[] {
  const production = environment.NODE_ENV === 'production'
  return [
    production
      ? ok('NODE_ENV=production: stand-ins are refused')
      : note(`NODE_ENV=${environment.NODE_ENV ?? 'development'}: stand-ins are allowed; production must say so itself`),
    ...standIns(environment, production),
    ...databases(environment),
    ...broker(environment),
    ...stripe(environment, production),
    ...cognito(environment),
  ]
}

function standIns(environment: NodeJS.ProcessEnv, production: boolean): Finding[] {
  const set = ['STRIPE_API_URL', 'COGNITO_JWKS_ORIGIN'].filter((name) => environment[name])
  if (set.length === 0) return []
  const says = `${set.join(' and ')}: a stand-in is used`
  return [production ? fault(says, `Unset ${set.join(' and ')}: services refuse to start with it.`) : note(says)]
}

function databases(environment: NodeJS.ProcessEnv): Finding[] {
  const names = databaseNames.map((service) => `${service.toUpperCase()}_DATABASE_URL`)
  const urls = names.flatMap((name) => {
    const url = URL.parse(environment[name] ?? '')
    return url && /^postgres(ql)?:$/.test(url.protocol) ? [{ name, url }] : []
  })
  const missing = names.filter((name) => !urls.some((each) => each.name === name))
  const twice = (of: (url: URL) => string) => new Set(urls.map(({ url }) => of(url))).size < urls.length
  return [
    ...missing.map((name) =>
      fault(
        `${name} is ${environment[name] ? 'no postgres:// URL' : 'not set'}`,
        `${name}=postgres://<role>:<password>@<host>:5432/<database>?sslmode=verify-full (that service's own DATABASE_URL)`,
      ),
    ),
    ...(twice((url) => `${url.host}${url.pathname}`)
      ? [fault('Two services share a database', 'Give each its own: both would run their migrations in it.')]
      : []),
    ...(twice((url) => `${url.host} ${url.username}`)
      ? [fault('Two services share a role', 'Give each its own, so that none can read what is not its own.')]
      : []),
    ...urls.flatMap(({ name, url }) => databaseTls(name, url)),
  ]
}

function databaseTls(name: string, url: URL): Finding[] {
  const mode = url.searchParams.get('sslmode')
  if (mode === 'verify-full') return [ok(`${name}: TLS, and the certificate is verified`)]
  if (isNear(url.hostname)) return [note(`${name}: ${url.hostname} is near; TLS is not needed`)]
  const mend = 'Add ?sslmode=verify-full to it (and sslrootcert=<file> for a certificate authority of your own).'
  if (mode === 'no-verify') return [fault(`${name}: TLS, but anybody's certificate is taken (sslmode=no-verify)`, mend)]
  if (mode === 'require' || mode === 'verify-ca')
    return [warning(`${name}: sslmode=${mode}, whose meaning differs between versions of the driver`, mend)]
  return [fault(`${name}: passwords and bookings cross the network in the clear (no TLS)`, mend)]
}

function broker(environment: NodeJS.ProcessEnv): Finding[] {
  const urls = brokerUrls(environment).map((text) => URL.parse(text))
  const valid = urls.filter((url) => url !== null && /^amqps?:$/.test(url.protocol)) as URL[]
  if (valid.length === 0 || valid.length < urls.length)
    return [
      fault(
        'RABBITMQ_URL is not set, or no amqp URL',
        'RABBITMQ_URL=amqps://<user>:<password>@<host>:5671, and for a cluster those of its nodes, separated by commas',
      ),
    ]
  return valid.map(brokerTls)
}

/** The nodes of a cluster are separated by commas. */
export function brokerUrls({ RABBITMQ_URL = '' }: NodeJS.ProcessEnv): string[] {
  return RABBITMQ_URL.split(',').map((url) => url.trim())
}

function brokerTls({ protocol, hostname }: URL): Finding {
  if (protocol === 'amqps:') return ok('RABBITMQ_URL: TLS')
  if (isNear(hostname)) return note(`RABBITMQ_URL: ${hostname} is near; TLS is not needed`)
  return fault(`RABBITMQ_URL: no TLS to ${hostname}`, "Use amqps:// and the broker's TLS port, usually 5671.")
}

function stripe(environment: NodeJS.ProcessEnv, production: boolean): Finding[] {
  const { STRIPE_SECRET_KEY: secret, STRIPE_PUBLISHABLE_KEY: publishable } = environment
  const webhook = environment.STRIPE_WEBHOOK_SECRET
  const mode = modeOf(secret)
  const keys = 'Dashboard → Developers → API keys'
  return [
    !secret
      ? fault('STRIPE_SECRET_KEY is not set', `${keys}: a secret key, or better a restricted one (rk_…).`)
      : !mode
        ? fault('STRIPE_SECRET_KEY is neither sk_live_…, sk_test_… nor rk_…', `${keys}: copy it whole.`)
        : production && mode === 'test'
          ? warning('STRIPE_SECRET_KEY is a test key in production', `${keys}: with test mode off.`)
          : ok(`STRIPE_SECRET_KEY: ${mode} mode`),
    ...(publishable && modeOf(publishable) !== mode
      ? [fault('STRIPE_PUBLISHABLE_KEY is of another mode than the secret key', `${keys}: both live, or both test.`)]
      : []),
    webhook?.startsWith('whsec_') && webhook.length > 'whsec_'.length
      ? ok('STRIPE_WEBHOOK_SECRET is set')
      : fault(
          'STRIPE_WEBHOOK_SECRET is not set to a whsec_…',
          'Dashboard → Developers → Webhooks → the endpoint → Signing secret. It differs between endpoints and modes.',
        ),
  ]
}

function modeOf(key: string | undefined): 'live' | 'test' | undefined {
  return /^(?:sk|rk|pk)_(live|test)_\w+/.exec(key ?? '')?.[1] as 'live' | 'test' | undefined
}

function cognito(environment: NodeJS.ProcessEnv): Finding[] {
  const { COGNITO_USER_POOL_ID: pool, COGNITO_CLIENT_ID: client } = environment
  const where = 'AWS console → Cognito → User pools'
  return [
    pool && /^[a-z]{2}(-[a-z]+)+-\d_\w+$/.test(pool)
      ? ok(`COGNITO_USER_POOL_ID=${pool}`)
      : fault(
          'COGNITO_USER_POOL_ID is not set to a <region>_<id>',
          `${where}: the pool's ID, like us-east-1_AbCdEf123.`,
        ),
    client
      ? ok('COGNITO_CLIENT_ID is set')
      : fault('COGNITO_CLIENT_ID is not set', `${where} → the pool → App clients: the client's ID.`),
  ]
}
