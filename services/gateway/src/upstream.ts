import { Unavailable } from '@holdfast/contracts/errors'
import type { Logger } from '@holdfast/runtime/logger'
import { Counter, Gauge, registry } from '@holdfast/runtime/metrics'
import CircuitBreaker from 'opossum'
import { type Answer, type Outgoing, openInstances } from './instances.ts'

/** One service behind the gateway, with the breaker that spares it while it is away. */
export interface Upstream {
  /** Throws `Unavailable` when there is no answer. */
  send(outgoing: Outgoing): Promise<Answer>
  ready(): Promise<boolean>
  close(): Promise<void>
}

const resetAfterMs = 2_000
const breakerOptions: CircuitBreaker.Options = {
  // It would not cancel anything: the exchange has its own deadline (instances.ts).
  timeout: false,
  // Half of at least ten within five seconds. One slow request, or one restart, is not an outage.
  volumeThreshold: 10,
  errorThresholdPercentage: 50,
  rollingCountTimeout: 5_000,
  rollingCountBuckets: 5,
  rollingPercentilesEnabled: false,
  enableSnapshots: false,
  resetTimeout: resetAfterMs,
  // In flight at once. Beyond that, waiting for a connection would take longer than the deadline.
  capacity: 1_000,
  // Too many at once says that we are busy, not that the service is away.
  errorFilter: (error: NodeJS.ErrnoException) => error.code === 'ESEMLOCKED',
}

const states = { closed: 0, halfOpen: 1, open: 2 } as const
const breakerState = new Gauge({
  name: 'holdfast_gateway_breaker_state',
  help: 'Circuit breaker by upstream: 0 closed, 1 half open, 2 open',
  labelNames: ['upstream'],
  registers: [registry],
})
const failures = new Counter({
  name: 'holdfast_gateway_upstream_failures_total',
  help: 'Requests that got no answer from their service, by cause',
  labelNames: ['upstream', 'cause'],
  registers: [registry],
})

export function openUpstream(name: string, urls: readonly string[], timeoutMs: number, logger: Logger): Upstream {
  const instances = openInstances(urls, timeoutMs)
  const breaker = new CircuitBreaker(
    async (outgoing: Outgoing) => ownAnswer(outgoing, await instances.send(outgoing)),
    { name, ...breakerOptions },
  )
  observe(name, breaker, logger)

  return {
    send: async (outgoing) => {
      try {
        return await breaker.fire(outgoing)
      } catch (error) {
        const cause = causeOf(error)
        failures.inc({ upstream: name, cause })
        const retryAfterSeconds = cause === 'breaker-open' ? resetAfterMs / 1_000 : 1
        throw new Unavailable(`${name} is not available`, { cause: error, retryAfterSeconds })
      }
    },
    ready: () => instances.anyReady(),
    close: async () => {
      breaker.shutdown()
      await instances.close()
    },
  }
}

/**
 * A 503 that a service itself answers passes as it is and does not count: the service lives, answers at once and knows
 * best what is missing, while its other routes may do without. Our services answer with the id of the request. A
 * 502–504 without it comes from something in between that could not reach the service.
 */
async function ownAnswer(outgoing: Outgoing, answer: Answer): Promise<Answer> {
  const { statusCode, headers, body } = answer
  const byTransport = statusCode >= 502 && statusCode <= 504
  if (!byTransport || headers['x-request-id'] === outgoing.headers['x-request-id']) return answer
  if (!Buffer.isBuffer(body)) await body.dump()
  throw new Error(`something in between answered ${statusCode}`)
}

function observe(name: string, breaker: CircuitBreaker, logger: Logger): void {
  const enter = (state: keyof typeof states) => () => {
    breakerState.set({ upstream: name }, states[state])
    logger.warn({ upstream: name, state }, 'breaker')
  }
  breakerState.set({ upstream: name }, states.closed)
  breaker.on('open', enter('open'))
  breaker.on('halfOpen', enter('halfOpen'))
  breaker.on('close', enter('closed'))
}

function causeOf(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  if (code === 'EOPENBREAKER') return 'breaker-open'
  if (code === 'ESEMLOCKED') return 'too-many'
  return code ?? name
}
