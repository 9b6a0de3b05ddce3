import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError, type ErrorBody, errors } from '@holdfast/contracts/errors'
import { idempotencyHeaders, type Route } from '@holdfast/contracts/route'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import type { Migrations } from '@holdfast/db/migrate'
import { derivedId } from '@holdfast/runtime/derived-id'
import type { FastifyRequest } from 'fastify'
import { canonicalJson } from './json.ts'

export const idempotencyMigrations: Migrations = {
  folder: new URL('../migrations', import.meta.url),
  table: 'migration_http',
}

/** What identifies a request for its repetition: user, method, route and key, and what it asked for. */
export interface IdempotencyKey {
  readonly id: string
  readonly requestHash: Buffer
  /** This run's lease, once it has one. What it writes under a lease that another run has taken over is refused. */
  lease?: string
  /** Whether this run has written its answer down. */
  isAnswered?: boolean
}

export interface StoredAnswer {
  readonly status: number
  readonly body: unknown
}

/** Either the answer of the first time, or leave to run, with what a run that died had noted down. */
export type Begun = { readonly stored: StoredAnswer } | { readonly stored?: undefined; readonly recovery: unknown }

/** How long a second request waits for the first before it is told to come back. */
const waitMs = 2_000
const pollMs = 40
/** A request that has not ended by then died with its process. */
const leaseSeconds = 10

const take = statement<{ lease: string; recovery: unknown }>(
  'idempotency.take',
  `insert into idempotency_key as k (id, request_hash, locked_until)
   values ($1, $2, now() + make_interval(secs => ${leaseSeconds}))
   on conflict (id) do update set locked_until = excluded.locked_until
     where k.status is null and k.locked_until < now() and k.request_hash = excluded.request_hash
   returning locked_until::text as lease, recovery`,
)
const look = statement<StoredRow>(
  'idempotency.look',
  'select request_hash as "requestHash", status, body from idempotency_key where id = $1',
)
const storeFirst = statement(
  'idempotency.store-first',
  'insert into idempotency_key (id, request_hash, status, body) values ($1, $2, $3, $4) on conflict (id) do nothing',
)
const store = statement(
  'idempotency.store',
  `update idempotency_key set status = $3, body = $4, locked_until = null
   where id = $1 and status is null and locked_until = $2::timestamptz`,
)
const note = statement(
  'idempotency.note',
  'update idempotency_key set recovery = $3 where id = $1 and status is null and locked_until = $2::timestamptz',
)
const release = statement(
  'idempotency.release',
  'update idempotency_key set locked_until = now() where id = $1 and status is null and locked_until = $2::timestamptz',
)
const clean = statement(
  'idempotency.clean',
  `delete from idempotency_key where id in (
     select id from idempotency_key where created_at < now() - interval '48 hours' limit 5000
   )`,
)

/** The key of this request; undefined when there is none and none is needed. */
export function idempotencyKeyOf(request: FastifyRequest, route: Route, userId: string): IdempotencyKey | undefined {
  const key = idempotencyHeaders.map((name) => request.headers[name]).find((value) => value !== undefined)
  if (key === undefined) {
    if (route.idempotency === 'required') throw new DomainError('IDEMPOTENCY_KEY_REQUIRED')
    return undefined
  }
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new DomainError('VALIDATION_ERROR', [
      { path: 'X-Idempotency-Key', message: 'must be 1 to 255 visible ASCII characters' },
    ])
  // As the router has read it: the same path may be spelled in many ways.
  const path = decodeURIComponent(request.url.split(/[?#]/)[0] ?? '')
  return {
    id: derivedId(`idempotency:${userId}\n${route.method} ${path}\n${key}`),
    requestHash: createHash('sha256').update(canonicalJson(request.body)).digest(),
  }
}

/** Takes the lease, or waits for whoever has it, or returns the stored answer. */
export async function beginIdempotent(database: Database, key: IdempotencyKey): Promise<Begun> {
  const deadline = Date.now() + waitMs
  for (;;) {
    const taken = await database.maybeOne(take, [key.id, key.requestHash])
    if (taken) {
      key.lease = taken.lease
      return { recovery: taken.recovery }
    }
    const stored = await storedAnswer(database, key)
    if (stored) return { stored }
    if (Date.now() >= deadline) throw new DomainError('IDEMPOTENCY_KEY_IN_USE')
    await sleep(pollMs)
  }
}

/** What is on record for a key, as a statement of one's own may have read it. */
export interface StoredRow {
  readonly requestHash: Buffer
  readonly status: number | null
  readonly body: unknown
}

/** The answer that is on record; throws `IDEMPOTENCY_KEY_REUSED` when the key belongs to another request. */
export async function storedAnswer(queries: Queries, key: IdempotencyKey): Promise<StoredAnswer | undefined> {
  const row = await queries.maybeOne(look, [key.id])
  return row && answerIn(row, key)
}

/** The answer in a row; throws `IDEMPOTENCY_KEY_REUSED` when it belongs to another request. */
export function answerIn(row: StoredRow, key: IdempotencyKey): StoredAnswer | undefined {
  if (!row.requestHash.equals(key.requestHash)) throw new DomainError('IDEMPOTENCY_KEY_REUSED')
  return row.status === null ? undefined : { status: row.status, body: row.body }
}

/**
 * Writes the answer down, in the transaction of its effect. A run that was frozen for so long that a retry has taken its
 * lease throws here: its transaction, and with it the second effect, is undone.
 */
export async function storeAnswer(tx: Queries, key: IdempotencyKey, answer: StoredAnswer): Promise<void> {
  assertLeased(await tx.run(store, [key.id, key.lease, answer.status, JSON.stringify(answer.body)]))
  key.isAnswered = true
}

/**
 * Writes down the answer of a run that needs no lease, unless another run with this key was faster: then theirs is
 * returned, for a key has one answer.
 */
export async function storeFirstAnswer(
  queries: Queries,
  key: IdempotencyKey,
  answer: StoredAnswer,
): Promise<StoredAnswer | undefined> {
  const rows = await queries.run(storeFirst, [key.id, key.requestHash, answer.status, JSON.stringify(answer.body)])
  return rows === 0 ? await storedAnswer(queries, key) : undefined
}

/** Notes what a retry must know if this run dies after the transaction `tx`. */
export async function noteRecovery(tx: Queries, key: IdempotencyKey, recovery: unknown): Promise<void> {
  assertLeased(await tx.run(note, [key.id, key.lease, JSON.stringify(recovery)]))
}

function assertLeased(rows: number): void {
  if (rows === 0) throw new DomainError('IDEMPOTENCY_KEY_IN_USE')
}

/** The run ended without an answer worth keeping: the same key may try again at once. */
export async function releaseIdempotent(database: Database, key: IdempotencyKey): Promise<void> {
  await database.run(release, [key.id, key.lease])
}

/** Deletes a batch of those older than two days; says whether there may be more. */
export async function cleanIdempotency(database: Database): Promise<boolean> {
  return (await database.run(clean)) > 0
}

/** A business error as the answer that is sent, stored and replayed, with the id of the request that met it. */
export function answerOf(error: DomainError, requestId: string): StoredAnswer {
  const body: ErrorBody = { error: error.code, message: error.message, requestId }
  return {
    status: errors[error.code].status,
    body: error.details === undefined ? body : { ...body, details: error.details },
  }
}

/** Errors that say something of this moment or this caller, not of what the request did: they are not stored. */
const passing = new Set(['VALIDATION_ERROR', 'UNAUTHORIZED', 'FORBIDDEN', 'RATE_LIMITED', 'SERVICE_UNAVAILABLE'])

export function isStorable(error: unknown): error is DomainError {
  return error instanceof DomainError && !passing.has(error.code) && ![409, 422].includes(errors[error.code].status)
}
