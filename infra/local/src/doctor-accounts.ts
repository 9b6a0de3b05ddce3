import { stripeEvents } from '@holdfast/contracts/stripe-events'
import { z } from 'zod'
import { type Finding, fault, isNear, note, ok, reasonOf, skewOf, warning } from './doctor-finding.ts'

/** The version our Stripe library is pinned to. */
const apiVersion = '2026-10-28.endive'
const webhookPath = '/v1/webhooks/stripe'
const webhookEvents = Object.values(stripeEvents).flat()
const patienceMs = 10_000

export async function checkAccounts(environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const checks = [checkPool(environment), checkStripe(environment), checkGateway(environment)]
  return (await Promise.all(checks)).flat()
}

const Jwks = z.object({ keys: z.array(z.object({ kid: z.string(), alg: z.string().optional() })).min(1) })

async function checkPool(environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const { COGNITO_USER_POOL_ID: pool, COGNITO_JWKS_ORIGIN: standIn } = environment
  if (!pool) return []
  const origin = standIn ?? `https://cognito-idp.${pool.split('_')[0]}.amazonaws.com`
  const url = `${origin}/${pool}/.well-known/jwks.json`
  const before = Date.now()
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(patienceMs) })
    if (!response.ok)
      return [fault(`Cognito answers ${response.status} for ${url}`, 'Is the pool of this region and not deleted?')]
    const { keys } = Jwks.parse(await response.json())
    return [ok(`Cognito: ${keys.length} signing keys of the pool`), ...skewOf('Cognito', response, before)]
  } catch (error) {
    return [fault(`Cognito: ${url}: ${reasonOf(error)}`, 'Services need to reach it by HTTPS when they start.')]
  }
}

const Balance = z.object({ object: z.literal('balance'), livemode: z.boolean() })
const Endpoint = z.object({
  url: z.string(),
  status: z.string(),
  enabled_events: z.array(z.string()),
  api_version: z.string().nullable(),
})
const Endpoints = z.object({ data: z.array(Endpoint) })

async function checkStripe(environment: NodeJS.ProcessEnv): Promise<Finding[]> {
  const { STRIPE_SECRET_KEY: key, STRIPE_API_URL: standIn } = environment
  if (!key) return []
  const ask = (path: string) =>
    fetch(`${standIn ?? 'https://api.stripe.com'}${path}`, {
      headers: { authorization: `Bearer ${key}`, 'stripe-version': apiVersion },
      signal: AbortSignal.timeout(patienceMs),
    })
  try {
    const before = Date.now()
    const response = await ask('/v1/balance')
    const skew = skewOf('Stripe', response, before)
    const account = await judgeKey(response)
    if (account.verdict === 'fault' || standIn) return [account, ...skew]
    return [account, ...skew, ...(await judgeEndpoints(await ask('/v1/webhook_endpoints?limit=100')))]
  } catch (error) {
    return [fault(`Stripe: ${reasonOf(error)}`, 'The payment service needs to reach api.stripe.com by HTTPS.')]
  }
}

async function judgeKey(response: Response): Promise<Finding> {
  if (response.status === 401)
    return fault('Stripe refuses the secret key', 'Dashboard → Developers → API keys: was it rolled, or cut short?')
  if (response.status === 400)
    return fault(
      `Stripe refuses the API version ${apiVersion}`,
      'Update the stripe package and its apiVersion together.',
    )
  // A restricted key need not read the balance.
  if (response.status === 403) return ok('Stripe knows the key; it is a restricted one')
  const balance = Balance.safeParse(await response.json())
  if (!balance.success) return fault(`Stripe answers ${response.status} with something else`, 'Is a proxy in between?')
  return ok(`Stripe answers in ${balance.data.livemode ? 'live' : 'test'} mode`)
}

async function judgeEndpoints(response: Response): Promise<Finding[]> {
  const where = 'Dashboard → Developers → Webhooks'
  if (!response.ok)
    return [
      warning(
        'Stripe does not show its webhook endpoints to this key',
        `Look yourself, in ${where} (docs/production.md).`,
      ),
    ]
  const { data } = Endpoints.parse(await response.json())
  const ours = data.filter(({ url }) => URL.parse(url)?.pathname === webhookPath)
  if (ours.length === 0)
    return [fault(`Stripe has no webhook endpoint …${webhookPath}`, `${where}: add https://<gateway>${webhookPath}`)]
  return ours.flatMap((endpoint) => judgeEndpoint(endpoint, where))
}

function judgeEndpoint(
  { url, status, enabled_events: events, api_version }: z.infer<typeof Endpoint>,
  where: string,
): Finding[] {
  const missing = events.includes('*') ? [] : webhookEvents.filter((event) => !events.includes(event))
  const faults = [
    ...(status === 'enabled' ? [] : [fault(`The webhook ${url} is ${status}`, `${where}: enable it.`)]),
    ...(missing.length > 0
      ? [fault(`The webhook ${url} does not send ${missing.join(', ')}`, `${where}: add them.`)]
      : []),
    ...(api_version && api_version !== apiVersion
      ? [
          warning(
            `The webhook ${url} speaks ${api_version}`,
            `Make it anew with API version ${apiVersion}: it cannot be changed.`,
          ),
        ]
      : []),
  ]
  return faults.length > 0 ? faults : [ok(`The webhook ${url} is enabled and sends what is needed`)]
}

const Health = z.object({ status: z.string(), checks: z.record(z.string(), z.string()) })

async function checkGateway({ GATEWAY_URL: gateway }: NodeJS.ProcessEnv): Promise<Finding[]> {
  if (!gateway) return [note('The gateway was not asked: --gateway <url>')]
  const { protocol, hostname } = new URL(gateway)
  const tls =
    protocol === 'https:' || isNear(hostname)
      ? []
      : [
          fault(
            `${gateway} is not HTTPS: tokens cross the network in the clear`,
            'Put a load balancer with TLS in front.',
          ),
        ]
  const before = Date.now()
  try {
    const response = await fetch(new URL('/health/ready', gateway), { signal: AbortSignal.timeout(patienceMs) })
    const { checks } = Health.parse(await response.json())
    const ill = Object.keys(checks).filter((name) => checks[name] !== 'ok')
    const ready = response.ok
      ? ok('The gateway is ready, and so are the services behind it')
      : fault(
          `The gateway is not ready: ${ill.join(', ')}`,
          'Look into the logs of those, and GET their /health/ready.',
        )
    const open = await fetch(new URL('/metrics', gateway), { signal: AbortSignal.timeout(patienceMs) })
    const metrics = open.ok ? [fault('The gateway shows its metrics', 'METRICS_PORT must not be published.')] : []
    return [...tls, ready, ...metrics, ...skewOf('The gateway', response, before)]
  } catch (error) {
    return [...tls, fault(`The gateway: ${reasonOf(error)}`, `Is it running, and is ${gateway} the right address?`)]
  }
}
