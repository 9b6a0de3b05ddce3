import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'

export interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  /** What the JWKS shows. */
  readonly publicJwk: JWK
}

/** The issuer's RSA key: made once and kept, so that tokens survive a restart of the issuer. */
export async function keptSigningKey(dataDir: string): Promise<SigningKey> {
  const file = join(dataDir, 'signing-key.json')
  if (existsSync(file)) return signingKey(JSON.parse(readFileSync(file, 'utf8')) as JWK)
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = await exportJWK(privateKey)
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(`${file}.draft`, JSON.stringify(jwk), { mode: 0o600 })
  renameSync(`${file}.draft`, file)
  return signingKey(jwk)
}

async function signingKey(jwk: JWK): Promise<SigningKey> {
  const { kty, n, e } = jwk
  if (kty !== 'RSA' || !n || !e) throw new Error('The signing key kept is not an RSA key')
  const kid = await calculateJwkThumbprint({ kty, n, e })
  const publicJwk = { kty, n, e, kid, alg: 'RS256', use: 'sig' }
  return { kid, publicJwk, privateKey: await rsaKey(jwk), publicKey: await rsaKey({ kty, n, e }) }
}

async function rsaKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'RS256')
  if (key instanceof Uint8Array) throw new Error('An RSA key was expected')
  return key
}
