import { createHash, randomUUID } from 'node:crypto'
import { type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { SigningKey } from './signing-key.ts'

export const tokenSeconds = 3_600
const refreshTokenSeconds = 30 * 24 * 3_600
/** Users' ids are UUIDv5 in this namespace: the same user name is the same user on every machine. */
const userNamespace = '5f0c4a1e-6f0b-4f0e-9c1e-0b7f6f6f6d01'

export interface User {
  readonly username: string
  readonly groups: readonly string[]
}

export interface Tokens {
  readonly accessToken: string
  readonly idToken: string
  readonly refreshToken: string
}

export interface TokenMint {
  issue(user: User): Promise<Tokens>
  /** The user whom a refresh token of ours was given to; rejects anything else. */
  userOfRefreshToken(token: string): Promise<User>
}

/** Tokens with the very claims that Cognito puts into its own. */
export function openMint(pool: { id: string; clientId: string }, key: SigningKey): TokenMint {
  const issuer = issuerOf(pool.id)
  const sign = (claims: JWTPayload, seconds: number, now: number) =>
    new SignJWT({ ...claims, iss: issuer, iat: now, exp: now + seconds, jti: randomUUID() })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid })
      .sign(key.privateKey)

  return {
    async issue({ username, groups }) {
      const now = Math.floor(Date.now() / 1_000)
      const session = {
        sub: subOf(username),
        ...(groups.length > 0 && { 'cognito:groups': groups }),
        origin_jti: randomUUID(),
        event_id: randomUUID(),
        auth_time: now,
      }
      const access = { token_use: 'access', client_id: pool.clientId, scope: 'aws.cognito.signin.user.admin', username }
      const id = { token_use: 'id', aud: pool.clientId, 'cognito:username': username, ...emailOf(username) }
      return {
        accessToken: await sign({ ...session, ...access }, tokenSeconds, now),
        idToken: await sign({ ...session, ...id }, tokenSeconds, now),
        refreshToken: await sign({ token_use: 'refresh', username, groups }, refreshTokenSeconds, now),
      }
    },
    async userOfRefreshToken(token) {
      const { payload } = await jwtVerify(token, key.publicKey, { issuer, algorithms: ['RS256'] })
      if (payload.token_use !== 'refresh') throw new Error('Not a refresh token')
      return { username: String(payload.username), groups: Array.isArray(payload.groups) ? payload.groups : [] }
    },
  }
}

/** `us-east-1_Holdfast1` → the issuer that Cognito would be, which is what verifiers insist on. */
export function issuerOf(poolId: string): string {
  return `https://cognito-idp.${poolId.split('_')[0]}.amazonaws.com/${poolId}`
}

export function subOf(username: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(userNamespace.replaceAll('-', ''), 'hex'))
    .update(username)
    .digest()
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

function emailOf(username: string): { email: string; email_verified: true } {
  return { email: username.includes('@') ? username : `${username}@example.com`, email_verified: true }
}
