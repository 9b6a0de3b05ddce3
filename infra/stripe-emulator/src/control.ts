import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { finishAuthentication } from './confirm-intent.ts'
import { finishSetupAuthentication } from './confirm-setup.ts'
import { Refusal } from './errors.ts'
import { eventObject } from './events.ts'
import { execute } from './execute.ts'
import { FAULTS } from './faults.ts'
import { fromPath } from './lookup.ts'
import type { Answer, Call } from './operation.ts'
import { operations } from './operations.ts'
import type { Emulator } from './parts.ts'
import type { EventRow } from './rows.ts'

const MAX_DELAY_MS = 600_000
const delay = z.int().min(0).max(MAX_DELAY_MS)

const FaultBody = z
  .strictObject({
    operation: z.enum(operations.map(({ name }) => name)),
    times: z.int().min(0).max(1_000_000),
    fault: z.enum(FAULTS),
    delayMs: delay.optional(),
  })
  .refine((body) => body.fault !== 'delay' || body.delayMs !== undefined, {
    path: ['delayMs'],
    error: 'a delay needs delayMs',
  })

const WebhooksBody = z
  .strictObject({
    hold: z.boolean(),
    duplicate: z.int().min(0).max(100),
    shuffle: z.boolean(),
    drop: z.array(z.string().min(1)).max(200),
    delayMs: delay,
  })
  .partial()

const AuthenticateBody = z.strictObject({ outcome: z.enum(['succeed', 'fail']) })
const EventsQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(20_000).default(1_000) })
const NoBody = z.strictObject({})

/** What tests do to this stand-in that no customer of Stripe can. No keys: only this machine may ask. */
export function registerControl(app: FastifyInstance, emulator: Emulator): void {
  const { store, faults, webhooks, requests } = emulator
  app.addHook('onRequest', async (request, reply) => {
    if (!isLoopback(request.socket.remoteAddress)) {
      return reply.code(403).send({ error: { message: 'Control routes answer to this machine only.' } })
    }
  })
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parseJson)
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof Refusal ? { status: error.status, ...error.body } : faultOf(error)
    return reply.code(known.status).send({ error: { message: known.message } })
  })

  app.post('/faults', async (request) => {
    const fault = FaultBody.parse(request.body)
    faults.set(fault)
    return fault
  })
  app.post('/webhooks', async (request) => webhooks.setModes(definedOnly(WebhooksBody.parse(request.body))))
  app.post('/webhooks/release', async (request) => {
    NoBody.parse(request.body ?? {})
    return { released: webhooks.release() }
  })
  app.get('/events', async (request) => {
    const { limit } = EventsQuery.parse(request.query)
    const newest = [...store.newestFirst('event')].slice(0, limit)
    return { data: newest.map((event) => withDeliveries(emulator, event)) }
  })
  app.post('/events/:id/resend', async (request) => {
    const event = fromPath(store, 'event', idIn(request))
    webhooks.resend(event)
    return withDeliveries(emulator, event)
  })
  app.get('/requests', async () => ({ data: requests.newestFirst() }))
  app.post('/payment_intents/:id/authenticate', async (request) =>
    authenticate(emulator, request, (call, succeeded) =>
      finishAuthentication(call, fromPath(call.tx, 'payment_intent', idIn(request)), succeeded),
    ),
  )
  app.post('/setup_intents/:id/authenticate', async (request) =>
    authenticate(emulator, request, (call, succeeded) =>
      finishSetupAuthentication(call, fromPath(call.tx, 'setup_intent', idIn(request)), succeeded),
    ),
  )
  app.post('/reset', async (request) => {
    NoBody.parse(request.body ?? {})
    faults.clear()
    webhooks.reset()
    requests.clear()
    return { reset: true }
  })
}

/** Answers with the intent as it then is, even when the card was declined after all: no request to Stripe failed here. */
function authenticate(
  emulator: Emulator,
  request: FastifyRequest,
  finish: (call: Call, succeeded: boolean) => Answer,
): object {
  const { outcome } = AuthenticateBody.parse(request.body)
  const byCustomer = { id: null, idempotency_key: null }
  const execution = { params: {}, path: {}, caller: 'secret', request: byCustomer } as const
  const { body, events } = execute(emulator, execution, (call) => finish(call, outcome === 'succeed'))
  emulator.webhooks.dispatch(events)
  const answer = JSON.parse(body) as { error?: { payment_intent?: object; setup_intent?: object } }
  return answer.error?.payment_intent ?? answer.error?.setup_intent ?? answer
}

const withDeliveries = ({ store }: Emulator, event: EventRow) => ({
  ...eventObject(event, store),
  deliveries: store.get('delivery', event.id)?.deliveries ?? [],
})

const idIn = (request: FastifyRequest): string => (request.params as { id: string }).id

/** Absent members must not overwrite: `exactOptionalPropertyTypes` in deed. */
function definedOnly<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

function parseJson(
  _request: FastifyRequest,
  body: string | Buffer,
  done: (error: Error | null, value?: unknown) => void,
) {
  try {
    done(null, body.length === 0 ? undefined : JSON.parse(body.toString()))
  } catch (error) {
    done(Object.assign(error as Error, { statusCode: 400 }))
  }
}

function faultOf(error: unknown): { status: number; message: string } {
  if (error instanceof z.ZodError) {
    const faults = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    return { status: 400, message: faults.join('; ') }
  }
  const { statusCode = 500, message = 'unknown' } = error as { statusCode?: number; message?: string }
  return { status: statusCode, message }
}

function isLoopback(address: string | undefined): boolean {
  const plain = address?.replace(/^::ffff:/, '') ?? ''
  return plain === '::1' || plain.startsWith('127.')
}
