import rateLimit from '@fastify/rate-limit'
import { DomainError } from '@holdfast/contracts/errors'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Two limits a minute: of an address, whoever calls, and of a user, wherever from. Each answer shows the nearer one. */
export interface Limits {
  /** Counts and shows; `refuseExceeding` refuses. */
  ofAddress(request: FastifyRequest, reply: FastifyReply): Promise<void>
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
  const byUser = app.createRateLimit({
    ...shared,
    max: settings.RATE_LIMIT_PER_USER,
    keyGenerator: (request) => request.userId,
  })

  return {
    ofAddress: async (request, reply) => {
      // A load balancer's probe must never be told that it asks too often.
      const isProbe = request.routeOptions.url?.startsWith('/health/') ?? false
      const counted = await byAddress(request, isProbe ? { increment: false } : undefined)
      show(request, reply, counted)
    },
    ofUser: async (request, reply, userId) => {
      request.userId = userId
      show(request, reply, await byUser(request))
      refuseExceeding(request)
    },
  }
}

export function refuseExceeding(request: FastifyRequest): void {
  if (request.exceeds) throw new DomainError('RATE_LIMITED')
}

type Counted = Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>

function show(request: FastifyRequest, reply: FastifyReply, counted: Counted): void {
  if (counted.isAllowed) return
  const shown = reply.getHeader('ratelimit-remaining')
  if (shown !== undefined && Number(shown) < counted.remaining) return
  reply.header('ratelimit-limit', counted.max)
  reply.header('ratelimit-remaining', counted.remaining)
  reply.header('ratelimit-reset', counted.ttlInSeconds)
  if (!counted.isExceeded) return
  request.exceeds = true
  reply.header('retry-after', Math.max(1, counted.ttlInSeconds))
}
