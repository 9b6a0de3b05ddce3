import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestStack } from '../support/stack.ts'

/** Access tokens as somebody would make them who has everything but the right to: each is wrong in one thing only. */

type Json = Record<string, unknown>
interface Parts {
  readonly header: Json
  readonly claims: Json
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decoded = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json

function partsOf(token: string): Parts {
  const [header, claims] = token.split('.')
  return { header: decoded(header), claims: decoded(claims) }
}

/** Signed as it should be; what the header says of it is another matter. */
function signedBy(key: KeyObject, { header, claims }: Parts): string {
  const text = `${encoded(header)}.${encoded(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

/** The key that the stack's own issuer signs with: it is the forger's best case. */
function keyOf(stack: TestStack): KeyObject {
  const issuer = stack.running.stack.processes.find(({ name }) => name === 'cognito-issuer')
  if (!issuer) throw new Error('the stack has no issuer of its own')
  const file = join(dirname(dirname(issuer.log)), 'cognito-issuer', 'signing-key.json')
  return createPrivateKey({ key: JSON.parse(readFileSync(file, 'utf8')), format: 'jwk' })
}

const now = () => Math.floor(Date.now() / 1_000)
const hmac = (text: string, secret: string | Buffer) => createHmac('sha256', secret).update(text).digest('base64url')

/** What to send as `Authorization`, by what is wrong with it. `good` is a token of ours. */
export function forgeries(stack: TestStack, good: string): Record<string, string> {
  const key = keyOf(stack)
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
  const { header, claims } = partsOf(good)
  const [head, body, signature] = good.split('.')
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' })
  const withClaims = (change: Json) => signedBy(key, { header, claims: { ...claims, ...change } })
  const withHeader = (change: Json, by = key) => signedBy(by, { header: { ...header, ...change }, claims })
  const keyed = (secret: string | Buffer) => {
    const text = `${encoded({ ...header, alg: 'HS256' })}.${body}`
    return `${text}.${hmac(text, secret)}`
  }
  const elevated = encoded({ ...claims, 'cognito:groups': ['operators'] })
  const jwk = createPublicKey(stranger).export({ format: 'jwk' })
  const tokens = {
    'the algorithm none': `${encoded({ ...header, alg: 'none' })}.${body}.`,
    'the algorithm None under a signature': `${encoded({ ...header, alg: 'None' })}.${body}.${signature}`,
    'HS256 with the public key as its secret': keyed(pem),
    'HS256 with an empty secret': keyed(''),
    'RS512 in the header alone': withHeader({ alg: 'RS512' }),
    "somebody else's signature under our key's id": withHeader({}, stranger),
    "somebody else's key, brought along": withHeader({ jwk, kid: 'mine' }, stranger),
    'a key to be fetched from elsewhere': withHeader({ jku: 'http://127.0.0.1:9/jwks.json', kid: 'mine' }, stranger),
    'a key that nobody knows': withHeader({ kid: 'nobody-knows' }),
    'the id of a key that is a path': withHeader({ kid: '../../../../dev/null' }),
    'no id of a key': withHeader({ kid: undefined }),
    'an id of a key that is no text': withHeader({ kid: { $ne: null } }),
    'the group of operators, put in afterwards': `${head}.${elevated}.${signature}`,
    'another user, put in afterwards': `${head}.${encoded({ ...claims, sub: 'bob' })}.${signature}`,
    'another issuer': withClaims({ iss: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Another01' }),
    'another client': withClaims({ client_id: 'another' }),
    'no client': withClaims({ client_id: undefined, aud: claims.client_id }),
    'the use of an id token': withClaims({ token_use: 'id' }),
    'no use at all': withClaims({ token_use: undefined }),
    'a time that is over': withClaims({ iat: now() - 7_200, exp: now() - 60 }),
    'an end that is no number': withClaims({ exp: 'never' }),
    'no end': withClaims({ exp: undefined }),
    'a beginning in an hour': withClaims({ nbf: now() + 3_600 }),
    'no user': withClaims({ sub: undefined }),
    'a user who is no text': withClaims({ sub: { $gt: '' } }),
    'an empty user': withClaims({ sub: '' }),
    'half a signature': `${head}.${body}.${signature?.slice(0, 40)}`,
    'a fourth part': `${good}.${signature}`,
    'claims that are no JSON': `${head}.${Buffer.from('{').toString('base64url')}.${signature}`,
    'a header that is no object': `${encoded(null)}.${body}.${signature}`,
    'thousands of dots': '.'.repeat(8_000),
  }
  return {
    ...Object.fromEntries(Object.entries(tokens).map(([what, token]) => [what, `Bearer ${token}`])),
    'nothing but the scheme': 'Bearer',
    'no scheme': good,
    'another scheme': `Basic ${good}`,
    'two tokens in one header': `Bearer ${good}, Bearer ${good}`,
    'white space in it': `Bearer  ${good}`,
    'more than any token needs': `Bearer ${'a'.repeat(12_000)}`,
  }
}

/** A token of the same user, signed anew with other groups, by the issuer's own key. */
export function inGroups(stack: TestStack, good: string, groups: unknown): string {
  const { header, claims } = partsOf(good)
  return signedBy(keyOf(stack), { header, claims: { ...claims, 'cognito:groups': groups } })
}
