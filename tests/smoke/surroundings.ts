import { NothingRunning, readStackFile, type StackFile } from '@holdfast/local/stack-file'
import { z } from 'zod'

/** What stands around the gateway under test: who gives tokens, and where its Stripe is. */
export interface Surroundings {
  readonly gatewayUrl: string
  readonly stripeUrl: string
  readonly publishableKey: string
  token(user: string): Promise<string>
}

export const usage = `Usage: npm run smoke -- [gateway url] [--issuer <url>] [--stripe <url>] [--publishable-key <key>]

Without a URL: the stack that "npm start" runs, else http://127.0.0.1:8080, where "docker compose up" listens. The others
default to that stack's own, or else to the ports that compose publishes. As environment variables:
  ISSUER_URL, STRIPE_URL, STRIPE_PUBLISHABLE_KEY   the same as the options
  COGNITO_CLIENT_ID, SMOKE_PASSWORD                for InitiateAuth; the local issuer's by default
  TOKEN, OPERATOR_TOKEN                            access tokens of a guest and an operator, instead of an issuer
`

/** What docker-compose.yml publishes, and the local issuer's settings. */
const compose = {
  gatewayUrl: 'http://127.0.0.1:8080',
  issuerUrl: 'http://127.0.0.1:9229',
  stripeUrl: 'http://127.0.0.1:12111',
  publishableKey: 'pk_test_holdfast',
}
const local = { clientId: 'holdfastlocal', password: 'holdfast' }

export async function findSurroundings(
  gatewayUrl: string | undefined,
  options: { issuer?: string | undefined; stripe?: string | undefined; 'publishable-key'?: string | undefined },
  environment: NodeJS.ProcessEnv,
): Promise<Surroundings> {
  // localhost:8080 is a URL too, of a scheme called localhost.
  if (gatewayUrl !== undefined && !/^https?:/.test(URL.parse(gatewayUrl)?.protocol ?? ''))
    throw new Error(`"${gatewayUrl}" is no http URL.\n${usage}`)
  const stack = runningStack(gatewayUrl)
  const issuer = options.issuer ?? environment.ISSUER_URL ?? stack?.issuerUrl ?? compose.issuerUrl
  const signIn = {
    clientId: environment.COGNITO_CLIENT_ID ?? local.clientId,
    password: environment.SMOKE_PASSWORD ?? local.password,
  }
  const given: Record<string, string | undefined> = { alice: environment.TOKEN, operator: environment.OPERATOR_TOKEN }
  return {
    gatewayUrl: new URL(gatewayUrl ?? stack?.gatewayUrl ?? compose.gatewayUrl).href.replace(/\/$/, ''),
    stripeUrl: options.stripe ?? environment.STRIPE_URL ?? stack?.stripeUrl ?? compose.stripeUrl,
    publishableKey:
      options['publishable-key'] ??
      environment.STRIPE_PUBLISHABLE_KEY ??
      stack?.stripePublishableKey ??
      compose.publishableKey,
    token: async (user) => given[user] ?? initiateAuth(issuer, user, signIn),
  }
}

/** The stack of `npm start`, if it is the one that is asked for. */
function runningStack(gatewayUrl: string | undefined): StackFile | undefined {
  try {
    const stack = readStackFile()
    const sameDoor = gatewayUrl === undefined || doorOf(gatewayUrl) === doorOf(stack.gatewayUrl)
    return sameDoor ? stack : undefined
  } catch (error) {
    if (error instanceof NothingRunning) return undefined
    throw error
  }
}

function doorOf(url: string): string {
  const { protocol, hostname, port } = new URL(url)
  return `${protocol}//${hostname === 'localhost' ? '127.0.0.1' : hostname}:${port}`
}

const Signed = z.object({ AuthenticationResult: z.object({ AccessToken: z.string() }) })

/** Step 1 of the flow document, at Cognito as well as at the local issuer. */
async function initiateAuth(
  issuerUrl: string,
  user: string,
  { clientId, password }: { clientId: string; password: string },
): Promise<string> {
  const response = await fetch(issuerUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AWSCognitoIdentityProviderService.InitiateAuth',
    },
    body: JSON.stringify({
      AuthFlow: 'USER_PASSWORD_AUTH',
      ClientId: clientId,
      AuthParameters: { USERNAME: user, PASSWORD: password },
    }),
    signal: AbortSignal.timeout(10_000),
  }).catch((cause: unknown) => {
    throw new Error(`the issuer at ${issuerUrl} does not answer`, { cause })
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`the issuer answered ${response.status}: ${text}`)
  return Signed.parse(JSON.parse(text)).AuthenticationResult.AccessToken
}
