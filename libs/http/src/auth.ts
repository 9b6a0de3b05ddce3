import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import {
  FetchError,
  JwksNotAvailableInCacheError,
  JwtInvalidSignatureError,
  KidNotFoundInJwksError,
} from 'aws-jwt-verify/error'
import { SimpleFetcher } from 'aws-jwt-verify/https'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { z } from 'zod'

/** Who calls. `id` is the access token's `sub`; Cognito's access tokens carry no e-mail address. */
export interface User {
  readonly id: string
  readonly isOperator: boolean
}

export interface Verifier {
  /** Fetches the keys, so that the first request does not wait for them. */
  prepare(): Promise<void>
  /** Throws `UNAUTHORIZED`, or `Unavailable` when the keys can't be had. */
  verify(authorization: string | undefined): Promise<User>
}

const operatorGroup = 'operators'
/**
 * What we take from a token, in the shape that Cognito gives it: the library looks at neither a missing end nor at who it
 * is about, and a text would "include" any group that its letters spell.
 */
const Claims = z
  .object({ sub: z.string().min(1), exp: z.number(), 'cognito:groups': z.array(z.string()).optional() })
  .transform(({ sub, exp, 'cognito:groups': groups }) => {
    const user: User = { id: sub, isOperator: groups?.includes(operatorGroup) ?? false }
    return { user, exp }
  })
/**
 * A token that was just verified is known for a while, letter by letter: verifying costs a good 100 µs, in the gateway and
 * in the service. A key that is withdrawn from the pool is refused after this time.
 */
const rememberedMs = 60_000
const rememberedLimit = 10_000

export function createVerifier(settings: {
  COGNITO_USER_POOL_ID: string
  COGNITO_CLIENT_ID: string
  COGNITO_JWKS_ORIGIN?: string | undefined
}): Verifier {
  const verifier = CognitoJwtVerifier.create(
    { userPoolId: settings.COGNITO_USER_POOL_ID, tokenUse: 'access', clientId: settings.COGNITO_CLIENT_ID },
    { jwksCache: new SimpleJwksCache({ fetcher: fetcherFor(settings.COGNITO_JWKS_ORIGIN) }) },
  )

  async function payloadOf(token: string) {
    try {
      return verifier.verifySync(token)
    } catch (error) {
      // No keys yet, or a key we have not seen: fetch them. The library spaces such fetches out by itself.
      if (error instanceof JwksNotAvailableInCacheError || error instanceof KidNotFoundInJwksError)
        return verifier.verify(token)
      throw error
    }
  }

  const recent = new Map<string, { readonly user: User; readonly untilMs: number }>()

  function remember(token: string, user: User, expiresAtSeconds: number): User {
    if (recent.size >= rememberedLimit) recent.clear()
    recent.set(token, { user, untilMs: Math.min(expiresAtSeconds * 1_000, Date.now() + rememberedMs) })
    return user
  }

  let prepared = false
  return {
    prepare: async () => {
      if (!prepared) await verifier.hydrate()
      prepared = true
    },
    verify: async (authorization) => {
      const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1]
      if (!token) throw new DomainError('UNAUTHORIZED')
      const known = recent.get(token)
      if (known && Date.now() < known.untilMs) return known.user
      try {
        const { user, exp } = Claims.parse(await payloadOf(token))
        return remember(token, user, exp)
      } catch (error) {
        if (error instanceof FetchError)
          throw new Unavailable('the keys of the user pool cannot be fetched', { cause: error })
        if (error instanceof JwtInvalidSignatureError)
          throw new DomainError('UNAUTHORIZED', undefined, 'The access token is forged')
        throw new DomainError('UNAUTHORIZED')
      }
    },
  }
}

/** While the keys cannot be had, one try in this time: whoever sends tokens by unknown keys must not send us after them. */
const afterFailureMs = 500

function fetcherFor(origin: string | undefined): SimpleFetcher {
  const fetcher = origin ? localFetcher(origin) : new SimpleFetcher()
  let failure: { readonly error: unknown; readonly untilMs: number } | undefined
  return {
    defaultRequestOptions: fetcher.defaultRequestOptions,
    fetch: async (uri: string) => {
      if (failure && Date.now() < failure.untilMs) throw failure.error
      try {
        return await fetcher.fetch(uri)
      } catch (error) {
        failure = { error, untilMs: Date.now() + afterFailureMs }
        throw error
      }
    },
  } as unknown as SimpleFetcher
}

/** Only the place that the keys come from can be redirected; how a token is judged stays Cognito's. */
function localFetcher(origin: string): Pick<SimpleFetcher, 'defaultRequestOptions' | 'fetch'> {
  const local = (uri: string) => new URL(new URL(uri).pathname, origin)
  return {
    defaultRequestOptions: new SimpleFetcher().defaultRequestOptions,
    fetch: async (uri) => {
      const response = await fetch(local(uri), { signal: AbortSignal.timeout(3_000) }).catch((error: unknown) => {
        throw new FetchError(uri, error)
      })
      if (!response.ok) throw new FetchError(uri, `status ${response.status}`)
      return response.arrayBuffer()
    },
  }
}
