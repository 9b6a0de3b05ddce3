import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import { idempotencyHeaders, type Route } from '@holdfast/contracts/route'
import type { Verifier } from '@holdfast/http/auth'
import { handleError } from '@holdfast/http/errors'
import type { FastifyError, FastifyInstance, FastifyPluginCallback, FastifyRequest } from 'fastify'
import { errors } from 'undici'
import { pathOf, requestHeaders, responseHeaders } from './headers.ts'
import type { Outgoing } from './instances.ts'
import type { Limits } from './rate-limit.ts'
import type { Upstream } from './upstream.ts'

/** The contract's routes, each passed on to its service as it came: the service understands and judges it. */

type Upstreams = Readonly<Record<Route['service'], Upstream>>

/** Events of Stripe carry whole objects. */
const webhookLimitBytes = 1024 * 1024

export interface ForwardParts {
  readonly routes: readonly Route[]
  readonly upstreams: Upstreams
  readonly verifier: Verifier
  readonly limits: Limits
}

export async function forwardRoutes(app: FastifyInstance, parts: ForwardParts): Promise<void> {
  const withJson = parts.routes.filter((route) => route.body !== undefined)
  const others = parts.routes.filter((route) => route.body === undefined)
  await app.register(inScope('application/json', withJson, parts))
  // The webhook's bytes are signed, whatever they are called; a DELETE comes with any content type and no body.
  await app.register(inScope('*', others, parts))
}

/** A content type's body is taken as bytes, and as nothing else. Any other content type is a 415. */
function inScope(contentType: string, routes: readonly Route[], parts: ForwardParts): FastifyPluginCallback {
  return (scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(contentType, { parseAs: 'buffer' }, (_request, bytes, taken) => taken(null, bytes))
    for (const route of routes) forwardRoute(scope, route, parts)
    done()
  }
}

function forwardRoute(scope: FastifyInstance, route: Route, { upstreams, verifier, limits }: ForwardParts): void {
  const upstream = upstreams[route.service]
  scope.route({
    method: route.method,
    url: route.url,
    ...(route.auth === 'none' && { bodyLimit: webhookLimitBytes }),
    errorHandler: (error, request, reply) => handleError(translated(error), request, reply),
    onRequest: async (request, reply) => {
      // A compressed body would reach the service as bytes that nobody there can read.
      if (request.headers['content-encoding'] !== undefined) throw new DomainError('UNSUPPORTED_MEDIA_TYPE')
      if (route.auth === 'none') return
      const user = await verifier.verify(request.headers.authorization)
      await limits.ofUser(request, reply, user.id)
      if (route.auth === 'operator' && !user.isOperator) throw new DomainError('FORBIDDEN')
    },
    // A client that goes away cancels nothing. The services would not notice, and what a POST has begun should end: its
    // answer is kept for the repetition.
    handler: async (request, reply) => {
      const { statusCode, headers, body } = await upstream.send(outgoingOf(request, route))
      return reply.status(statusCode).headers(responseHeaders(headers)).send(body)
    },
  })
}

function outgoingOf(request: FastifyRequest, route: Route): Outgoing {
  const headers = requestHeaders(request.headers, {
    requestId: request.id,
    traceparent: request.traceparent,
    address: request.ip,
    protocol: request.protocol,
    host: request.host,
  })
  const bytes = request.body as Buffer | undefined
  const body = bytes && bytes.length > 0 ? bytes : null
  if (!body) delete headers['content-type']
  const path = pathOf(request.raw.url ?? '/')
  return { method: request.method as Outgoing['method'], path, headers, body, repeatable: isRepeatable(route, headers) }
}

/** Reads, what sets a state, what the contract calls so, and what the service recognises by its key. */
function isRepeatable(route: Route, headers: Record<string, string>): boolean {
  if (route.method === 'GET' || route.method === 'PUT' || route.repeatable) return true
  return route.method === 'POST' && idempotencyHeaders.some((name) => headers[name] !== undefined)
}

/** An answer that breaks off before its first byte is none. */
function translated(error: FastifyError): FastifyError {
  const unavailable = error instanceof errors.UndiciError
  return unavailable ? (new Unavailable('the answer broke off', { cause: error }) as unknown as FastifyError) : error
}
