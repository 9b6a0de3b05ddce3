import fastify, { type FastifyError, type FastifyInstance, LogController } from 'fastify'
import { registerControl } from './control.ts'
import { errors } from './errors.ts'
import { operations } from './operations.ts'
import type { Emulator } from './parts.ts'
import { serve } from './serve.ts'

const MAX_BODY_BYTES = 1024 * 1024

/** The whole HTTP surface: Stripe's routes, the control routes, health. */
export function buildServer(emulator: Emulator): FastifyInstance {
  const app = fastify({
    logger: { level: emulator.settings.logLevel },
    // One line a request would say little, and queries may hold client secrets; GET /_emulator/requests tells more.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: 'idle',
  })
  const refuse = (known = errors.apiError()) => ({ error: known.body })

  app.setNotFoundHandler((request, reply) => {
    const { method } = request
    const path = request.url.split('?')[0] ?? ''
    const at = new Date().toISOString()
    emulator.requests.begin({ at, operation: null, method, path, idempotencyKey: null, params: {}, status: 404 })
    return reply.code(404).send(refuse(errors.unknownUrl(method, path)))
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error.statusCode === 413) return reply.code(413).send(refuse(errors.tooLarge()))
    if (error.statusCode !== undefined && error.statusCode < 500) return reply.code(400).send(refuse(errors.notAForm()))
    request.log.error({ err: error }, 'the emulator itself failed')
    return reply.code(500).send(refuse())
  })
  app.get('/health/live', async () => ({ status: 'ok' }))
  app.get('/health/ready', async () => ({ status: 'ok' }))
  app.register((scope, _options, done) => {
    registerStripe(scope, emulator)
    done()
  })
  app.register(
    (scope, _options, done) => {
      registerControl(scope, emulator)
      done()
    },
    { prefix: '/_emulator' },
  )
  return app
}

function registerStripe(app: FastifyInstance, emulator: Emulator): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  )
  // Anything else is refused where the key has been checked: see formOf.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body.length === 0 ? '' : { notAForm: true }),
  )
  // Browsers call Stripe from anywhere.
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('access-control-allow-origin', '*')
    reply.header('access-control-expose-headers', 'Request-Id, Stripe-Manage-Version, Stripe-Should-Retry')
  })
  app.options('/v1/*', async (_request, reply) =>
    reply
      .header('access-control-allow-methods', 'GET, POST, DELETE, OPTIONS')
      .header('access-control-allow-headers', 'Authorization, Content-Type, Idempotency-Key, Stripe-Version')
      .header('access-control-max-age', '300')
      .code(200)
      .send(),
  )
  for (const operation of operations) {
    app.route({
      method: operation.method,
      url: operation.path,
      handler: (request, reply) => serve(emulator, operation, request, reply),
    })
  }
}
