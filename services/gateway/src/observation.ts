import { childTraceparent, inContext } from '@holdfast/runtime/context'
import { collectProcessMetrics, metrics, registry } from '@holdfast/runtime/metrics'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    traceparent: string
  }
}

/** One id, one trace, one line and one measurement for each request. */
export function addObservation(app: FastifyInstance): void {
  app.decorateRequest('traceparent', '')
  app.addHook('onRequest', (request, reply, done) => {
    const given = request.headers.traceparent
    request.traceparent = childTraceparent(typeof given === 'string' ? given : undefined)
    reply.header('x-request-id', request.id)
    const context = { traceparent: request.traceparent, causationId: request.id }
    // Not fastify's onResponse: that one never comes when the client has gone away.
    reply.raw.once('close', () => inContext(context, () => report(request, reply)))
    inContext(context, done)
  })
}

/** nginx's word for a client that did not wait for its answer. */
const clientGone = 499

function report(request: FastifyRequest, reply: FastifyReply): void {
  const route = request.routeOptions.url ?? 'unknown'
  if (route.startsWith('/health')) return
  const status = reply.raw.writableFinished ? reply.statusCode : clientGone
  metrics.httpSeconds.observe({ method: request.method, route, status }, reply.elapsedTime / 1_000)
  const ms = Math.round(reply.elapsedTime * 10) / 10
  const line = { method: request.method, route, status, ms }
  if (status >= 500) request.log.warn(line, 'request')
  else request.log.info(line, 'request')
}

/** A server of its own: what is counted here is nobody's business outside. */
export async function startMetrics(settings: { HOST: string; METRICS_PORT: number }) {
  collectProcessMetrics()
  const app = Fastify({ forceCloseConnections: true })
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  const url = await app.listen({ host: settings.HOST, port: settings.METRICS_PORT })
  return { url, close: () => app.close() }
}
