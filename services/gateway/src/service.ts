import { randomUUID } from 'node:crypto'
import cors from '@fastify/cors'
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import { allRoutes } from '@holdfast/contracts/routes/all'
import { createVerifier } from '@holdfast/http/auth'
import { endWithLastAnswer } from '@holdfast/http/closing'
import { handleError, handleNotFound } from '@holdfast/http/errors'
import { createLogger, type Logger } from '@holdfast/runtime/logger'
import type { Running } from '@holdfast/runtime/run'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { Settings } from './config.ts'
import { addDocs } from './docs.ts'
import { forwardRoutes } from './forward.ts'
import { addHealth } from './health.ts'
import { type Malformed, malformed } from './malformed.ts'
import { addObservation, startMetrics } from './observation.ts'
import { addLimits, refuseExceeding } from './rate-limit.ts'
import { openUpstream } from './upstream.ts'

/** The public door: who calls, how often, how much; then on to the service, byte for byte. */
export async function startGateway(
  settings: Settings,
  logger = createLogger('gateway', settings),
): Promise<Running & { url: string; metricsUrl: string }> {
  const verifier = createVerifier(settings)
  const upstream = (name: string, urls: readonly string[]) =>
    openUpstream(name, urls, settings.UPSTREAM_TIMEOUT_MS, logger)
  const upstreams = {
    inventory: upstream('inventory', settings.INVENTORY_URLS),
    reservation: upstream('reservation', settings.RESERVATION_URLS),
    payment: upstream('payment', settings.PAYMENT_URLS),
  }

  const app = createApp(
    settings,
    logger,
    malformed(logger, () => limits),
  )
  let stopping = false
  addObservation(app)
  await app.register(helmet, strictPolicy)
  const limits = await addLimits(app, settings)
  // Counted before CORS, so that the answer to a preflight shows it; refused after, so that a browser may read the 429.
  app.addHook('onRequest', limits.ofAddress)
  if (settings.CORS_ORIGINS) await app.register(cors, corsOptions(settings.CORS_ORIGINS))
  app.addHook('onRequest', async (request) => refuseExceeding(request))
  endWithLastAnswer(app)
  addHealth(app, {
    running: () => !stopping,
    identity: () => verifier.prepare(),
    inventory: () => upstreams.inventory.ready(),
    reservation: () => upstreams.reservation.ready(),
    payment: () => upstreams.payment.ready(),
  })
  if (settings.DOCS_ENABLED) await addDocs(app)
  await forwardRoutes(app, { routes: allRoutes, upstreams, verifier, limits })

  const metrics = await startMetrics(settings)
  const url = await app.listen({ host: settings.HOST, port: settings.PORT })
  logger.info({ url, metricsUrl: metrics.url }, 'started')
  return {
    url,
    metricsUrl: metrics.url,
    logger,
    stop: async () => {
      stopping = true
      // Stops listening and waits for the requests in flight, which still need their upstreams.
      await app.close()
      await Promise.all(Object.values(upstreams).map((each) => each.close()))
      await metrics.close()
    },
  }
}

const bodyLimitBytes = 64 * 1024

function createApp(settings: Settings, logger: Logger, { answerBadPath, answerBadBytes }: Malformed): FastifyInstance {
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: bodyLimitBytes,
    trustProxy: settings.TRUST_PROXY,
    // Ours, whatever the client calls it: this id names the request in every log.
    genReqId: () => randomUUID(),
    forceCloseConnections: 'idle',
    // While stopping, a request that still comes in on a kept connection is served, not refused.
    return503OnClosing: false,
    requestTimeout: 10_000,
    http: { connectionsCheckingInterval: 2_000 },
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: answerBadPath,
    clientErrorHandler: answerBadBytes,
  })
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  return app
}

/** An API has no pages: whatever a browser makes of an answer, it may load nothing. /docs has a policy of its own. */
const strictPolicy: FastifyHelmetOptions = {
  xFrameOptions: { action: 'deny' },
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
}

const corsOptions = (origins: string[]) => ({
  origin: origins,
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowedHeaders: ['Authorization', 'Content-Type', 'X-Idempotency-Key', 'Idempotency-Key'],
  exposedHeaders: [
    'X-Request-Id',
    'Idempotent-Replayed',
    'Retry-After',
    'RateLimit-Limit',
    'RateLimit-Remaining',
    'RateLimit-Reset',
  ],
  maxAge: 600,
  strictPreflight: false,
})
