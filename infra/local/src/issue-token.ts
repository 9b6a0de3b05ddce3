import { z } from 'zod'

const Answer = z.object({ accessToken: z.string() })

/** An access token from the local issuer. Cognito itself gives none away like this. */
export async function issueToken(issuerUrl: string, username: string, operator = false): Promise<string> {
  const { hostname } = new URL(issuerUrl)
  if (hostname !== '127.0.0.1') throw new Error(`This stack uses Cognito (${issuerUrl}): sign in there for a token.`)
  const response = await fetch(`${issuerUrl}/_issuer/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, groups: operator ? ['operators'] : [] }),
    signal: AbortSignal.timeout(5_000),
  }).catch((cause: unknown) => {
    throw new Error(`The issuer at ${issuerUrl} does not answer. Is the stack still running?`, { cause })
  })
  if (!response.ok) throw new Error(`The issuer answered ${response.status}: ${await response.text()}`)
  return Answer.parse(await response.json()).accessToken
}
