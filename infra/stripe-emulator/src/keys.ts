import { errors } from './errors.ts'
import type { Operation } from './operation.ts'

export interface Keys {
  secret: string
  publishable: string
}

/** Who calls, by the key in the `Authorization` header (Bearer, or Basic as curl sends it) or, for Stripe.js, in `key`. */
export function callerOf(
  authorization: string | undefined,
  keyParameter: string | undefined,
  keys: Keys,
  access: Operation['access'],
): 'secret' | 'publishable' {
  const key = keyFrom(authorization) ?? keyParameter
  if (key === undefined || key === '') throw errors.noKey()
  if (key === keys.secret) return 'secret'
  if (key !== keys.publishable) throw errors.wrongKey(key)
  if (access === 'secret') throw errors.secretKeyRequired()
  return 'publishable'
}

function keyFrom(authorization: string | undefined): string | undefined {
  const [scheme, value] = authorization?.split(' ') ?? []
  if (value === undefined) return undefined
  if (scheme?.toLowerCase() === 'bearer') return value
  if (scheme?.toLowerCase() === 'basic') return Buffer.from(value, 'base64').toString().split(':')[0]
  return undefined
}
