import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, Refusal } from './errors.ts'
import { API_VERSION } from './events.ts'
import { answerRow, execute, type Result, serialize } from './execute.ts'
import { emptyForm, type Form, fingerprintOf, parseForm } from './form.ts'
import { newId } from './ids.ts'
import { callerOf } from './keys.ts'
import type { Operation } from './operation.ts'
import { checkParameters } from './parameters.ts'
import type { Emulator } from './parts.ts'
import type { RequestEntry } from './request-log.ts'

interface Served {
  status: number
  body: string
  headers?: Record<string, string>
}

/** Marks a connection that is to be cut in place of an answer. */
const RESET = Symbol('reset')

/** Handles one request to one operation, from the key check to the last header. */
export async function serve(emulator: Emulator, operation: Operation, request: FastifyRequest, reply: FastifyReply) {
  const id = newId('request')
  const key = request.method === 'POST' ? header(request, 'idempotency-key') : undefined
  const entry = emulator.requests.begin({
    at: new Date().toISOString(),
    operation: operation.name,
    method: request.method,
    path: request.url.split('?')[0] ?? '',
    idempotencyKey: key ?? null,
    params: {},
    status: null,
  })
  const served = await answer(emulator, operation, request, { id, key, entry, reply }).catch((error: unknown) =>
    refusal(error, id, request),
  )
  if (served === RESET) {
    reply.hijack()
    request.raw.socket.resetAndDestroy()
    return reply
  }
  entry.status = served.status
  return reply
    .code(served.status)
    .headers({
      'content-type': 'application/json',
      'request-id': id,
      'stripe-version': header(request, 'stripe-version') ?? API_VERSION,
      ...(key !== undefined && { 'idempotency-key': key }),
      ...served.headers,
    })
    .send(served.body)
}

interface Context {
  id: string
  key: string | undefined
  entry: RequestEntry
  reply: FastifyReply
}

async function answer(
  emulator: Emulator,
  operation: Operation,
  request: FastifyRequest,
  context: Context,
): Promise<Served | typeof RESET> {
  const { faults, idempotency, settings } = emulator
  const form = formOf(request)
  context.entry.params = form
  const keyParameter = typeof form.key === 'string' ? form.key : undefined
  const caller = callerOf(header(request, 'authorization'), keyParameter, settings.keys, operation.access)
  checkVersion(header(request, 'stripe-version'))
  if (faults.take(operation.name, 'rate_limit')) throw errors.rateLimited()
  if (faults.take(operation.name, 'reset_before_effect')) return RESET

  const { key } = context
  const claim = { endpoint: `${request.method} ${context.entry.path}`, fingerprint: fingerprintOf(form) }
  const replayed = key ? idempotency.claim(key, claim.endpoint, claim.fingerprint, new Date()) : null
  try {
    const delay = faults.take(operation.name, 'delay')
    if (delay) await sleep(delay.delayMs, undefined, { signal: emulator.stopping }).catch(() => {})
    const params = checkParameters(form, operation.fields)
    context.entry.params = params
    const served: Served = replayed
      ? {
          status: replayed.status,
          body: replayed.body,
          headers: { 'idempotent-replayed': 'true', 'original-request': replayed.request },
        }
      : run(emulator, operation, request, context, { params, caller, claim })
    return faults.take(operation.name, 'reset_after_effect') ? RESET : served
  } finally {
    if (key && !replayed) idempotency.release(key)
  }
}

interface Checked {
  params: Record<string, unknown>
  caller: 'secret' | 'publishable'
  claim: { endpoint: string; fingerprint: string }
}

/** Executes, and keeps the answer for the key: refusals of the operation itself too, but none of what came before it. */
function run(
  emulator: Emulator,
  operation: Operation,
  request: FastifyRequest,
  { id, key, reply }: Context,
  { params, caller, claim }: Checked,
): Served {
  const { store, faults, webhooks } = emulator
  const path = request.params as Record<string, string>
  const execution = { params, path, caller, request: { id, idempotency_key: key ?? null } }
  const original: Record<string, string> = key ? { 'original-request': id } : {}
  const row = (answer: { status: number; body: string }) => answerRow(key ?? '', { ...claim, request: id }, answer)
  try {
    if (faults.take(operation.name, 'error_500')) throw errors.apiError()
    const result: Result = execute(emulator, execution, operation.run, (tx, answer) => {
      if (key) tx.put('answer', row(answer))
    })
    // 'close' comes when the answer is out, or its socket gone: either way the events go on their way.
    if (result.events.length > 0) reply.raw.once('close', () => webhooks.dispatch(result.events))
    return { ...result, headers: original }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const answer = { status: error.status, body: serialize({ error: error.body }, id) }
    if (key) store.transact((tx) => tx.put('answer', row(answer)))
    // A kept 500 would only be replayed to a retry, so Stripe tells its libraries not to.
    const retry: Record<string, string> = key && error.status >= 500 ? { 'stripe-should-retry': 'false' } : {}
    return { ...answer, headers: { ...error.headers, ...original, ...retry } }
  }
}

function refusal(error: unknown, id: string, request: FastifyRequest): Served {
  if (!(error instanceof Refusal)) request.log.error({ err: error }, 'the emulator itself failed')
  const known = error instanceof Refusal ? error : errors.apiError()
  return { status: known.status, body: serialize({ error: known.body }, id), headers: known.headers }
}

function formOf(request: FastifyRequest): Form {
  const query = request.url.includes('?') ? request.url.slice(request.url.indexOf('?') + 1) : ''
  const text = request.method === 'POST' ? request.body : query
  if (text === undefined || text === null || text === '') return emptyForm()
  const form = typeof text === 'string' ? parseForm(text) : null
  if (form === null) throw errors.notAForm()
  return form
}

function checkVersion(version: string | undefined): void {
  if (version !== undefined && !/^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$/.test(version)) throw errors.wrongVersion(version)
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
