import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { CognitoJwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { decodeJwt, generateKeyPair, SignJWT } from 'jose'
import { type CognitoIssuer, startCognitoIssuer } from './issuer.ts'

const poolId = 'us-east-1_Holdfast1'
const clientId = 'holdfastlocal'
const dataDir = mkdtempSync(join(tmpdir(), 'issuer-'))
const start = () => startCognitoIssuer({ port: 0, poolId, clientId, dataDir })
let issuer: CognitoIssuer

beforeAll(async () => {
  issuer = await start()
})

afterAll(async () => {
  await issuer.close()
  rmSync(dataDir, { recursive: true })
})

/** Production's verifier; only where the keys are fetched from is different. */
function verifier() {
  const fetcher = {
    async fetch(uri: string) {
      const response = await fetch(`${issuer.url}${new URL(uri).pathname}`)
      return response.arrayBuffer()
    },
  }
  const jwksCache = new SimpleJwksCache({ fetcher })
  return CognitoJwtVerifier.create({ userPoolId: poolId, tokenUse: 'access', clientId }, { jwksCache })
}

interface Answer {
  AuthenticationResult: { AccessToken: string; IdToken: string; RefreshToken: string }
  __type?: string
}

async function initiateAuth(body: unknown, target = 'InitiateAuth') {
  const response = await fetch(issuer.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AWSCognitoIdentityProviderService.${target}`,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: (await response.json()) as Answer,
  }
}

const signIn = (USERNAME: string, PASSWORD = 'holdfast') =>
  initiateAuth({ AuthFlow: 'USER_PASSWORD_AUTH', ClientId: clientId, AuthParameters: { USERNAME, PASSWORD } })

describe('signing in as Cognito has it', () => {
  test('answers tokens that the production verifier accepts, for any user name', async () => {
    const { status, type, body } = await signIn('somebody new')
    expect(status).toBe(200)
    expect(type).toBe('application/x-amz-json-1.1')
    const result = body.AuthenticationResult
    expect(result).toMatchObject({ ExpiresIn: 3600, TokenType: 'Bearer', RefreshToken: expect.any(String) })
    const claims = await verifier().verify(result.AccessToken)
    expect(claims).toMatchObject({ token_use: 'access', client_id: clientId, username: 'somebody new' })
    expect(claims.exp - claims.iat).toBe(3600)
    expect(decodeJwt(result.IdToken)).toMatchObject({ token_use: 'id', aud: clientId, sub: claims.sub })
  })

  test('gives the same user the same sub each time, and different users different ones', async () => {
    const subs = await Promise.all(
      ['alice', 'alice', 'bob'].map(
        async (name) => decodeJwt((await signIn(name)).body.AuthenticationResult.IdToken).sub,
      ),
    )
    expect(subs[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(subs[1]).toBe(subs[0])
    expect(subs[2]).not.toBe(subs[0])
  })

  test('puts the operator, and nobody else, into the group of operators', async () => {
    const groups = async (name: string) =>
      decodeJwt((await signIn(name)).body.AuthenticationResult.AccessToken)['cognito:groups']
    expect(await groups('operator')).toEqual(['operators'])
    expect(await groups('alice')).toBeUndefined()
  })

  test('exchanges a refresh token for new tokens of the same user, and nothing else for any', async () => {
    const first = (await signIn('alice')).body.AuthenticationResult
    const refresh = (REFRESH_TOKEN: string) =>
      initiateAuth({ AuthFlow: 'REFRESH_TOKEN_AUTH', ClientId: clientId, AuthParameters: { REFRESH_TOKEN } })
    const second = (await refresh(first.RefreshToken)).body.AuthenticationResult
    expect(second.RefreshToken).toBeUndefined()
    expect((await verifier().verify(second.AccessToken)).sub).toBe(decodeJwt(first.IdToken).sub)
    expect((await refresh(first.AccessToken)).body.__type).toBe('NotAuthorizedException')
  })

  test.each([
    ['a wrong password', { AuthParameters: { USERNAME: 'alice', PASSWORD: 'x' } }, 'NotAuthorizedException'],
    ['no user name', { AuthParameters: { PASSWORD: 'holdfast' } }, 'InvalidParameterException'],
    ['an unknown client', { ClientId: 'other' }, 'ResourceNotFoundException'],
    ['a flow that is not enabled', { AuthFlow: 'USER_SRP_AUTH' }, 'InvalidParameterException'],
  ])('refuses %s in the shape of Cognito’s errors', async (_, change, type) => {
    const good = {
      AuthFlow: 'USER_PASSWORD_AUTH',
      ClientId: clientId,
      AuthParameters: { USERNAME: 'a', PASSWORD: 'x' },
    }
    const { status, body } = await initiateAuth({ ...good, ...change })
    expect({ status, body }).toEqual({ status: 400, body: { __type: type, message: expect.any(String) } })
  })

  test('refuses broken JSON and operations it does not know', async () => {
    expect(await initiateAuth('{')).toMatchObject({ status: 400, body: { __type: 'SerializationException' } })
    expect(await initiateAuth({}, 'DeleteUser')).toMatchObject({
      status: 400,
      body: { __type: 'UnknownOperationException' },
    })
  })
})

describe('forgeries', () => {
  test('a token signed with another key is refused, though it claims our key’s id', async () => {
    const { accessToken } = await issuer.issue({ username: 'alice', groups: [] })
    const [header = ''] = accessToken.split('.')
    const { privateKey } = await generateKeyPair('RS256')
    const forged = await new SignJWT(decodeJwt(accessToken))
      .setProtectedHeader(JSON.parse(Buffer.from(header, 'base64url').toString()))
      .sign(privateKey)
    await expect(verifier().verify(forged)).rejects.toThrow()
  })

  test('a token whose claims were changed, or whose algorithm is none, is refused', async () => {
    const { accessToken } = await issuer.issue({ username: 'alice', groups: [] })
    const [header, , signature] = accessToken.split('.')
    const claims = { ...decodeJwt(accessToken), 'cognito:groups': ['operators'] }
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
    await expect(verifier().verify(`${header}.${payload}.${signature}`)).rejects.toThrow()
    await expect(verifier().verify(`${none}.${payload}.`)).rejects.toThrow()
  })

  test('an id token, and a refresh token, are no access tokens', async () => {
    const { idToken, refreshToken } = await issuer.issue({ username: 'alice', groups: [] })
    await expect(verifier().verify(idToken)).rejects.toThrow()
    await expect(verifier().verify(refreshToken)).rejects.toThrow()
  })
})

test('tokens outlive a restart of the issuer: the signing key is kept', async () => {
  const { accessToken } = await issuer.issue({ username: 'alice', groups: [] })
  await issuer.close()
  issuer = await start()
  await expect(verifier().verify(accessToken)).resolves.toMatchObject({ username: 'alice' })
})

test('the local token route adds the groups asked for', async () => {
  const response = await fetch(`${issuer.url}/_issuer/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'carol', groups: ['operators'] }),
  })
  const { accessToken } = (await response.json()) as { accessToken: string }
  expect((await verifier().verify(accessToken))['cognito:groups']).toEqual(['operators'])
})

test('it does not start in production', async () => {
  await expect(startCognitoIssuer({ port: 0, poolId, clientId, dataDir, nodeEnv: 'production' })).rejects.toThrow(
    'NODE_ENV=production',
  )
})
