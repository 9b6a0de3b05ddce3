import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { decodeJwt, decodeProtectedHeader, importJWK, type JWTPayload, SignJWT } from 'jose'
import { closeOpened, openGateway, poolId, type Service, startIssuer, startService } from './testing.ts'

let service: Service
let issuer: Awaited<ReturnType<typeof startIssuer>>
let gateway: Awaited<ReturnType<typeof openGateway>>
let good: string

beforeAll(async () => {
  service = await startService()
  issuer = await startIssuer()
  gateway = await openGateway(service.url, { COGNITO_JWKS_ORIGIN: issuer.url })
  good = (await issuer.tokensOf('alice')).accessToken
})

afterAll(async () => {
  await closeOpened()
  await issuer.close()
})

beforeEach(() => {
  service.received.length = 0
})

const as = (authorization: string | undefined, path = '/v1/reservations', method = 'GET') =>
  fetch(`${gateway.url}${path}`, { method, ...(authorization !== undefined && { headers: { authorization } }) })

const issuersKey = (): JsonWebKey => JSON.parse(readFileSync(issuer.keyFile, 'utf8'))

/** The good token with other claims, signed with the issuer's own key: nothing but the claims can be wrong with it. */
async function withClaims(change: JWTPayload): Promise<string> {
  const { kid } = decodeProtectedHeader(good)
  const key = await importJWK(issuersKey(), 'RS256')
  return new SignJWT({ ...decodeJwt(good), ...change }).setProtectedHeader({ alg: 'RS256', kid: String(kid) }).sign(key)
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)

const forgeries: Record<string, () => Promise<string | undefined>> = {
  'no token at all': async () => undefined,
  'a token without Bearer': async () => good,
  'another scheme': async () => `Basic ${good}`,
  'two tokens': async () => `Bearer ${good}, Bearer ${good}`,
  nonsense: async () => 'Bearer a.b.c',
  'no signature': async () => `Bearer ${good.split('.').slice(0, 2).join('.')}.`,
  'the algorithm none': async () =>
    `Bearer ${encoded({ alg: 'none', kid: decodeProtectedHeader(good).kid })}.${good.split('.')[1]}.`,
  'the algorithm none with a signature': async () =>
    `Bearer ${encoded({ alg: 'none', kid: decodeProtectedHeader(good).kid })}.${good.split('.').slice(1).join('.')}`,
  'HS256 with the public key as its secret': async () => {
    const pem = createPublicKey({ key: issuersKey(), format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const { kid } = decodeProtectedHeader(good)
    const secret = new TextEncoder().encode(String(pem))
    return `Bearer ${await new SignJWT(decodeJwt(good)).setProtectedHeader({ alg: 'HS256', kid: String(kid) }).sign(secret)}`
  },
  'other claims under the same signature': async () => {
    const [header, , signature] = good.split('.')
    return `Bearer ${header}.${encoded({ ...decodeJwt(good), sub: 'bob' })}.${signature}`
  },
  "somebody else's key under our key's id": async () => {
    const { privateKey }: { privateKey: KeyObject } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { kid } = decodeProtectedHeader(good)
    return `Bearer ${await new SignJWT(decodeJwt(good)).setProtectedHeader({ alg: 'RS256', kid: String(kid) }).sign(privateKey)}`
  },
  'an id token': async () => `Bearer ${(await issuer.tokensOf('alice')).idToken}`,
  'a refresh token': async () => `Bearer ${(await issuer.tokensOf('alice')).refreshToken}`,
  'an expired token': async () => `Bearer ${await withClaims({ iat: now() - 7200, exp: now() - 3600 })}`,
  'a token that is not valid yet': async () => `Bearer ${await withClaims({ nbf: now() + 3600 })}`,
  'a token of another pool': async () =>
    `Bearer ${await withClaims({ iss: `https://cognito-idp.us-east-1.amazonaws.com/${poolId}x` })}`,
  'a token of another client': async () => `Bearer ${await withClaims({ client_id: 'other' })}`,
}

test.each(Object.keys(forgeries))('%s: 401, and no service hears of it', async (name) => {
  const answer = await as(await forgeries[name]?.())
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  expect(await answer.json()).toMatchObject({ error: 'UNAUTHORIZED', requestId: answer.headers.get('x-request-id') })
  expect(answer.headers.has('ratelimit-remaining')).toBe(true)
  expect(service.received).toHaveLength(0)
})

test('the same token, signed anew without a change, passes: only what a forgery changes is refused', async () => {
  expect((await as(`Bearer ${await withClaims({})}`)).status).toBe(200)
  expect((await as(`bearer ${good}`)).status).toBe(200)
  expect(service.received[0]?.headers.authorization).toMatch(/^Bearer /)
})

test('operators only: a guest is told so, an operator passes', async () => {
  const guest = await as(`Bearer ${good}`, '/v1/experiences', 'POST')
  expect({ status: guest.status, body: await guest.json() }).toMatchObject({
    status: 403,
    body: { error: 'FORBIDDEN' },
  })
  expect(service.received).toHaveLength(0)
  expect((await as(await issuer.bearerOf('operator', ['operators']), '/v1/experiences', 'POST')).status).toBe(200)
  expect((await as(await issuer.bearerOf('eve', ['operators2', 'Operators']), '/v1/experiences', 'POST')).status).toBe(
    403,
  )
})

test('the webhook needs no token', async () => {
  expect((await as(undefined, '/v1/webhooks/stripe', 'POST')).status).toBe(200)
})

test('while the keys cannot be had, a good token is a 503 rather than a 401', async () => {
  const blind = await openGateway(service.url, { COGNITO_JWKS_ORIGIN: 'http://127.0.0.1:1' })
  const answer = await fetch(`${blind.url}/v1/reservations`, { headers: { authorization: `Bearer ${good}` } })
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('1')
})
