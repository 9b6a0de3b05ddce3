import { type FastifyInstance, fastify } from 'fastify'
import { z } from 'zod'
import { CognitoError, initiateAuth, operationPrefix, userNamed } from './initiate-auth.ts'
import { keptSigningKey, type SigningKey } from './signing-key.ts'
import { issuerOf, openMint, type TokenMint, type User } from './tokens.ts'

export interface IssuerSettings {
  readonly host?: string
  /** 0: a free one. */
  readonly port: number
  readonly poolId: string
  readonly clientId: string
  /** Where the signing key is kept. */
  readonly dataDir: string
  readonly nodeEnv?: string | undefined
}

export interface CognitoIssuer {
  readonly url: string
  issue: TokenMint['issue']
  close(): Promise<void>
}

/** Stands in for Cognito on one machine: its tokens pass the verifier that production uses, unchanged. */
export async function startCognitoIssuer(settings: IssuerSettings): Promise<CognitoIssuer> {
  if (settings.nodeEnv === 'production') {
    throw new Error('The local Cognito issuer gives anybody a token. It does not run with NODE_ENV=production.')
  }
  const key = await keptSigningKey(settings.dataDir)
  const mint = openMint({ id: settings.poolId, clientId: settings.clientId }, key)
  const app = fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true })
  serveDiscovery(app, settings, key)
  serveInitiateAuth(app, settings, mint)
  serveLocalTokens(app, mint)
  const url = await app.listen({ host: settings.host ?? '127.0.0.1', port: settings.port })
  return { url, issue: (user: User) => mint.issue(user), close: () => app.close() }
}

function serveDiscovery(app: FastifyInstance, { poolId }: IssuerSettings, key: SigningKey): void {
  const issuer = issuerOf(poolId)
  app.get(`/${poolId}/.well-known/jwks.json`, () => ({ keys: [key.publicJwk] }))
  app.get(`/${poolId}/.well-known/openid-configuration`, () => ({
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'token'],
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    subject_types_supported: ['public'],
  }))
  app.get('/health/live', () => ({ status: 'ok' }))
  app.get('/health/ready', () => ({ status: 'ready' }))
}

/** Cognito's API is one address: the operation is named by a header, and errors are 400 with a type. */
function serveInitiateAuth(app: FastifyInstance, { clientId }: IssuerSettings, mint: TokenMint): void {
  const amzJson = 'application/x-amz-json-1.1'
  app.addContentTypeParser(amzJson, { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, JSON.parse(body.toString()))
    } catch {
      done(new CognitoError('SerializationException', 'The body is not JSON'))
    }
  })
  app.post('/', async (request, reply) => {
    const target = request.headers['x-amz-target']
    if (target !== `${operationPrefix}InitiateAuth`) {
      throw new CognitoError(
        'UnknownOperationException',
        `${target ?? 'No operation'} is not served by the local issuer`,
      )
    }
    const answer = await initiateAuth(request.body, clientId, mint)
    return reply.type(amzJson).send(bytes(answer))
  })
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof CognitoError)) return reply.send(error)
    const body = { __type: error.type, message: error.message }
    return reply.code(400).type(amzJson).header('x-amzn-errortype', error.type).send(bytes(body))
  })
}

/** Bytes, because fastify adds a charset, which Cognito's type does not have, to strings. */
function bytes(body: object): Buffer {
  return Buffer.from(JSON.stringify(body))
}

const TokenRequest = z.object({ username: z.string().min(1).max(128), groups: z.array(z.string()).default([]) })
const loopback = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1'])

/** Not Cognito's: a token for any user and groups, for scripts on this machine. */
function serveLocalTokens(app: FastifyInstance, mint: TokenMint): void {
  app.post('/_issuer/token', async (request, reply) => {
    if (!loopback.has(request.ip)) return reply.code(404).send()
    const wanted = TokenRequest.safeParse(request.body)
    if (!wanted.success) throw new CognitoError('InvalidParameterException', z.prettifyError(wanted.error))
    return mint.issue(userNamed(wanted.data.username, wanted.data.groups))
  })
}
