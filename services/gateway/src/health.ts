import type { FastifyInstance } from 'fastify'

/** A named condition of being ready; it throws or answers `false` when it is not met. */
export type ReadinessChecks = Readonly<Record<string, () => Promise<unknown> | unknown>>

export function addHealth(app: FastifyInstance, checks: ReadinessChecks): void {
  app.get('/health/live', async () => ({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    const states = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, (await passes(check)) ? 'ok' : 'unavailable']),
    )
    const ready = states.every(([, state]) => state === 'ok')
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
