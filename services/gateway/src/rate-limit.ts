import rateLimit from '@fastify/rate-limit'
import { DomainError } from '@holdfast/contracts/errors'
import { stripeWebhook } from '@holdfast/contracts/routes/payments'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/**
 * Two limits a minute: of an address, whoever calls, and of a user, wherever from. Each answer shows the nearer one. Stripe calls
 * from few addresses for all guests: it is counted by itself, and has more.
 */
export interface Limits {
  /** Counts and shows; `refuseExceeding` refuses. */
  ofAddress(request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** Counts what never became a request, and answers the headers. */
  ofSocket(address: string): Promise<Record<string, number>>
  /** Counts, shows, and throws `RATE_LIMITED`. */
  ofUser(request: FastifyRequest, reply: FastifyReply, userId: string): Promise<void>
}

declare module 'fastify' {
  interface FastifyRequest {
    userId: string
    exceeds: boolean
  }
}

/** The least recently seen is forgotten first, so memory is bounded; whoever floods is never the one forgotten. */
const rememberedKeys = 20_000
const timeWindow = 60_000
const webhooksForOne = 20

export async function addLimits(
  app: FastifyInstance,
  settings: { RATE_LIMIT_PER_USER: number; RATE_LIMIT_PER_ADDRESS: number },
): Promise<Limits> {
  app.decorateRequest('userId', '')
  app.decorateRequest('exceeds', false)
  // The plugin's own hook allows one limit a request, so its counters are used and the headers are written here.
  await app.register(rateLimit, { global: false })
  const shared = { timeWindow, cache: rememberedKeys }
  const byAddress = app.createRateLimit({ ...shared, max: settings.RATE_LIMIT_PER_ADDRESS })
  const ofStripe = app.createRateLimit({ ...shared, max: webhooksForOne * settings.RATE_LIMIT_PER_ADDRESS })
  const byUser = app.createRateLimit({
    ...shared,
    max: settings.RATE_LIMIT_PER_USER,
    keyGenerator: (request) => request.userId,
  })

  return {
    ofAddress: async (request, reply) => {
      const { url = '' } = request.routeOptions
      // A load balancer's probe must never be told that it asks too often: it is shown the limit, and not counted.
      const isProbe = url.startsWith('/health/')
      const count = url === stripeWebhook.url ? ofStripe : byAddress
      const headers = headersOf(await count(request, { increment: !isProbe }))
      const { 'retry-after': _, ...limit } = headers
      request.exceeds = show(reply, isProbe ? limit : headers)
    },
    // Of a request the counter reads no more than this.
    ofSocket: async (ip) => headersOf(await byAddress({ ip, routeOptions: {} } as FastifyRequest)),
    ofUser: async (request, reply, userId) => {
      request.userId = userId
      request.exceeds = show(reply, headersOf(await byUser(request)))
      refuseExceeding(request)
    },
  }
}

export function refuseExceeding(request: FastifyRequest): void {
  if (request.exceeds) throw new DomainError('RATE_LIMITED')
}

type Counted = Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>

/** Shows the limit that is nearer; answers whether this one is exceeded. */
function show(reply: FastifyReply, headers: Record<string, number>): boolean {
  const shown = Number(reply.getHeader('ratelimit-remaining') ?? Number.POSITIVE_INFINITY)
  if ((headers['ratelimit-remaining'] ?? 0) <= shown) reply.headers(headers)
  return 'retry-after' in headers
}

function headersOf(counted: Counted): Record<string, number> {
  // Somebody on a list of exceptions, of which there is none.
  if (counted.isAllowed) return {}
  return {
    'ratelimit-limit': counted.max,
    'ratelimit-remaining': counted.remaining,
    'ratelimit-reset': counted.ttlInSeconds,
    ...(counted.isExceeded && { 'retry-after': Math.max(1, counted.ttlInSeconds) }),
  }
}
