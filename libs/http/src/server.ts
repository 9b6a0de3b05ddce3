import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { DomainError } from '@holdfast/contracts/errors'
import type { Route } from '@holdfast/contracts/route'
import type { Database } from '@holdfast/db/database'
import { childTraceparent, inContext } from '@holdfast/runtime/context'
import type { Logger } from '@holdfast/runtime/logger'
import { collectProcessMetrics, metrics, registry } from '@holdfast/runtime/metrics'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import type { User, Verifier } from './auth.ts'
import { endWithLastAnswer } from './closing.ts'
import { handleError, handleNotFound } from './errors.ts'
import {
  answerOf,
  beginIdempotent,
  type IdempotencyKey,
  idempotencyKeyOf,
  isStorable,
  releaseIdempotent,
  type StoredAnswer,
  storeAnswer,
  storedAnswer,
} from './idempotency.ts'
import { parseJson } from './json.ts'

/** An HTTP server that serves routes of the contract. What a route says (schema, status, auth) is all it needs. */

export const bodyLimitBytes = 64 * 1024

/** What a handler is given: checked, parsed and typed. */
export interface Call<R extends Route> {
  readonly user: User
  readonly params: Parsed<R['params']>
  readonly query: Parsed<R['query']>
  readonly body: Parsed<R['body']>
  /** There when the client sent a key. A handler with an effect stores its answer in the effect's transaction. */
  readonly key: IdempotencyKey | undefined
  /** What an earlier run with this key, which died, had noted down (`noteRecovery`). */
  readonly recovery: unknown
  readonly request: FastifyRequest
}
type Parsed<S> = NonNullable<S> extends z.ZodType ? z.output<NonNullable<S>> : undefined

/** An answer that was stored earlier, to be replayed as it is. */
export class Replay {
  readonly answer: StoredAnswer
  constructor(answer: StoredAnswer) {
    this.answer = answer
  }
}

export type Handle<R extends Route> = (call: Call<R>) => Promise<z.input<R['reply']> | Replay>

/** A named reason for not being ready; it throws or returns false when it applies. */
export type ReadinessChecks = Record<string, () => Promise<unknown> | unknown>

declare module 'fastify' {
  interface FastifyRequest {
    user: User
    traceparent: string
    idempotencyKey: IdempotencyKey | undefined
  }
}

/** Before the gateway loses patience and takes us for dead: a service that waits for another says 503 itself. */
const answerWithinMs = 3_900
const anonymous: User = { id: '', isOperator: false }
const requestIdShape = /^[\w-]{1,64}$/

export function createServer(options: { logger: Logger; ready: ReadinessChecks; metrics?: boolean }): FastifyInstance {
  const app = Fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    // One line a request is written below, with what is worth knowing.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimitBytes,
    // The gateway's id, so that one id names a request in every log.
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && requestIdShape.test(given) ? given : randomUUID()
    },
    forceCloseConnections: 'idle',
    // While stopping, a request that still comes in on a kept connection is served, not refused.
    return503OnClosing: false,
    requestTimeout: 10_000,
    routerOptions: { maxParamLength: 300 },
    // A URL that cannot be decoded never reaches a route; its answer is one of ours all the same.
    frameworkErrors: (error, request, reply) => handleError(error, request as FastifyRequest, reply as FastifyReply),
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  app.decorateRequest('user', null as never)
  app.decorateRequest('traceparent', '')
  app.decorateRequest('idempotencyKey', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, parseJson(text as string))
    } catch (error) {
      done(error as Error)
    }
  })
  endWithLastAnswer(app)
  addObservation(app)
  addHealth(app, options.ready)
  if (options.metrics !== false) addMetrics(app)
  return app
}

function addObservation(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    const given = request.headers.traceparent
    request.traceparent = childTraceparent(typeof given === 'string' ? given : undefined)
    reply.header('x-request-id', request.id)
  })
  app.addHook('preHandler', (request, _reply, done) => {
    const answerBy = Date.now() + answerWithinMs
    inContext({ traceparent: request.traceparent, causationId: request.id, answerBy }, done)
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    if (route.startsWith('/health') || route === '/metrics') return
    const status = reply.statusCode
    metrics.httpSeconds.observe({ method: request.method, route, status }, reply.elapsedTime / 1_000)
    const line = {
      requestId: request.id,
      method: request.method,
      route,
      status,
      ms: Math.round(reply.elapsedTime * 10) / 10,
    }
    if (status >= 500) request.log.warn(line, 'request')
    else request.log.info(line, 'request')
  })
}

function addHealth(app: FastifyInstance, checks: ReadinessChecks): void {
  app.get('/health/live', async () => ({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    const results = await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await passes(check)]))
    const ready = results.every(([, ok]) => ok)
    const states = results.map(([name, ok]) => [name, ok ? 'ok' : 'unavailable'])
    return reply
      .status(ready ? 200 : 503)
      .send({ status: ready ? 'ok' : 'unavailable', checks: Object.fromEntries(states) })
  })
}

async function passes(check: () => Promise<unknown> | unknown): Promise<boolean> {
  try {
    return (await check()) !== false
  } catch {
    return false
  }
}

export function addMetrics(app: FastifyInstance): void {
  collectProcessMetrics()
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}

/** Serves the routes of one service, each with what it needs of the same parts. */
export function router(app: FastifyInstance, parts: { verifier: Verifier; database: Database }) {
  return {
    /** Serves a route. Every POST with a key runs once: `idempotency: 'own'` says that the handler sees to it itself. */
    serve<R extends Route>(route: R, handle: Handle<R>, options: { idempotency?: 'own' } = {}): void {
      app.route({
        method: route.method,
        url: route.url,
        schema: schemaOf(route),
        onRequest: async (request) => {
          request.user = route.auth === 'none' ? anonymous : await parts.verifier.verify(request.headers.authorization)
          if (route.auth === 'operator' && !request.user.isOperator) throw new DomainError('FORBIDDEN')
        },
        // Before validation replaces the body by what it understood of it: the key stands for the body as it came.
        preValidation: async (request) => {
          if (route.method === 'POST' && route.auth !== 'none')
            request.idempotencyKey = idempotencyKeyOf(request, route, request.user.id)
        },
        handler: async (request, reply) => {
          const key = request.idempotencyKey
          const run = (recovery: unknown) => handle(callOf<R>(request, recovery))
          const once = key !== undefined && options.idempotency !== 'own'
          const result = once ? await runOnce(parts.database, key, request.id, route, run) : await run(null)
          return send(reply, route, result)
        },
      })
    },
  }
}

function schemaOf(route: Route) {
  return {
    ...(route.params && { params: route.params }),
    ...(route.query && { querystring: route.query }),
    ...(route.body && { body: route.body }),
    response: { [route.status ?? 200]: route.reply },
  }
}

function callOf<R extends Route>(request: FastifyRequest, recovery: unknown): Call<R> {
  return {
    user: request.user,
    params: request.params as Call<R>['params'],
    query: request.query as Call<R>['query'],
    body: request.body as Call<R>['body'],
    key: request.idempotencyKey,
    recovery,
    request,
  }
}

function send(reply: FastifyReply, route: Route, result: unknown): FastifyReply {
  if (!(result instanceof Replay)) return reply.status(route.status ?? 200).send(result)
  const { status, body } = result.answer
  // Past the serializer: the answer goes out as it was stored.
  return reply
    .status(status)
    .header('idempotent-replayed', 'true')
    .type('application/json; charset=utf-8')
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(body as object)
}

/**
 * Runs a handler once for its key. The handler stores its answer with its effect; what it has not stored (because there
 * was no effect) is stored here.
 */
async function runOnce<Result>(
  database: Database,
  key: IdempotencyKey,
  requestId: string,
  route: Route,
  run: (recovery: unknown) => Promise<Result | Replay>,
): Promise<Result | Replay> {
  const begun = await beginIdempotent(database, key)
  if (begun.stored) return new Replay(begun.stored)
  try {
    const result = await run(begun.recovery)
    if (!(result instanceof Replay || key.isAnswered))
      await storeAnswer(database, key, { status: route.status ?? 200, body: result })
    return result
  } catch (error) {
    if (!isStorable(error)) await releaseIdempotent(database, key).catch(() => {})
    else {
      const standing = await storeRefusal(database, key, answerOf(error, requestId))
      if (standing) return new Replay(standing)
    }
    throw error
  }
}

/** Also where the handler has written an answer: its transaction may have been undone, and run again to another end. */
async function storeRefusal(
  database: Database,
  key: IdempotencyKey,
  refusal: StoredAnswer,
): Promise<StoredAnswer | undefined> {
  try {
    await storeAnswer(database, key, refusal)
    return undefined
  } catch (cause) {
    const standing = await storedAnswer(database, key)
    if (!standing) throw cause
    // The handler's own, or of another run that has taken over the lease: a key has one answer.
    return isDeepStrictEqual(standing, refusal) ? undefined : standing
  }
}
