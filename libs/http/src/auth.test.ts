import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Unavailable } from '@holdfast/contracts/errors'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createVerifier, type Verifier } from './auth.ts'

/** What reaches the place that the keys come from. That forged tokens are refused is seen at every door (tests/security). */
const poolId = 'us-east-1_Flood0001'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const ourKid = 'our-key'

let fetches: number
let answer: (response: ServerResponse) => void
let server: Server
let verifier: Verifier
const giveKeys = (response: ServerResponse) => {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: ourKid, alg: 'RS256', use: 'sig' }
  response.end(JSON.stringify({ keys: [jwk] }))
}

beforeEach(async () => {
  fetches = 0
  answer = giveKeys
  server = createServer((_request, response) => {
    fetches += 1
    answer(response)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  verifier = createVerifier({ COGNITO_USER_POOL_ID: poolId, COGNITO_CLIENT_ID: 'us', COGNITO_JWKS_ORIGIN: origin })
})

afterEach(
  () =>
    new Promise<void>((closed) => {
      server.close(() => closed())
      server.closeAllConnections()
    }),
)

function tokenOf(sub: string, kid = ourKid): string {
  const iss = `https://cognito-idp.us-east-1.amazonaws.com/${poolId}`
  const exp = Math.floor(Date.now() / 1_000) + 600
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub, iss, exp, client_id: 'us', token_use: 'access' }
  const text = `${encode({ alg: 'RS256', kid })}.${encode(claims)}`
  return `Bearer ${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`
}

const unauthorized = expect.objectContaining({ code: 'UNAUTHORIZED' })
const flood = (count: number) =>
  Promise.allSettled(
    Array.from({ length: count }, (_, nth) => verifier.verify(tokenOf('mallory', `${nth} ${randomUUID()}`))),
  )

describe('a flood of tokens by keys that nobody knows', () => {
  test('has the keys fetched once more, and not once for each', async () => {
    await verifier.prepare()
    for (let wave = 0; wave < 5; wave += 1)
      for (const refused of await flood(100))
        expect(refused).toMatchObject({ status: 'rejected', reason: unauthorized })
    // One for those who came before its answer, and perhaps another for whoever came just as it did.
    expect(fetches).toBeLessThanOrEqual(3)
    const before = fetches
    // By one key, asked for over and over, neither.
    for (let n = 0; n < 50; n += 1)
      await expect(verifier.verify(tokenOf('mallory', 'the same'))).rejects.toEqual(unauthorized)
    expect(fetches).toBe(before)
  })

  test('keeps nobody waiting who has a token of ours, not even while the keys do not come', async () => {
    await verifier.prepare()
    const held: ServerResponse[] = []
    answer = (response) => held.push(response)
    const flooding = flood(100)
    await expect(verifier.verify(tokenOf('alice'))).resolves.toEqual({ id: 'alice', isOperator: false })
    for (let n = 0; n < 20; n += 1) await verifier.verify(tokenOf(`guest ${n}`))
    while (held.length === 0) await new Promise(setImmediate)
    await expect(verifier.verify(tokenOf('bob'))).resolves.toEqual({ id: 'bob', isOperator: false })
    answer = giveKeys
    for (const response of held) giveKeys(response)
    for (const refused of await flooding) expect(refused).toMatchObject({ status: 'rejected', reason: unauthorized })
    expect(fetches).toBeLessThanOrEqual(3)
  })

  test('while the keys cannot be had, is not passed on to where they come from', async () => {
    await verifier.prepare()
    answer = (response) => response.writeHead(503).end()
    const startedAt = Date.now()
    for (let wave = 0; wave < 30; wave += 1) await flood(10)
    // Two a second, however many ask.
    expect(fetches).toBeLessThanOrEqual(2 + Math.ceil((Date.now() - startedAt) / 500))
    await expect(verifier.verify(tokenOf('alice'))).resolves.toMatchObject({ id: 'alice' })
  })
})

test('a service that starts before its keys can be had has them as soon as they can', async () => {
  answer = (response) => response.writeHead(503).end()
  await expect(verifier.prepare()).rejects.toThrow()
  await expect(verifier.verify(tokenOf('alice'))).rejects.toBeInstanceOf(Unavailable)
  answer = giveKeys
  const deadline = Date.now() + 5_000
  const ready = () =>
    verifier.prepare().then(
      () => true,
      () => false,
    )
  while (!(await ready()) && Date.now() < deadline) await new Promise((next) => setTimeout(next, 20))
  await expect(verifier.verify(tokenOf('alice'))).resolves.toMatchObject({ id: 'alice' })
})
