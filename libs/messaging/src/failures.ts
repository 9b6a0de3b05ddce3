import type { Envelope } from '@holdfast/contracts/message'
import { type Database, statement } from '@holdfast/db/database'

/** Messages whose handler failed: tried again after a while, and in the end kept as dead letters with their reason. */

/** How long to wait before each further try; after the last one it is a dead letter. */
const retryAfterSeconds = [1, 5, 30, 120, 600]

export interface FailedMessage {
  readonly id: string
  readonly type: string
  readonly envelope: Envelope
  readonly reason: string
  readonly tries: number
  /** Times it was taken up again, counted before: one that kills its process leaves nothing else behind. */
  readonly deliveries: number
  readonly retryAt: Date | null
  readonly firstAt: Date
}

const columns = `id, type, envelope, reason, tries, deliveries, retry_at as "retryAt", first_at as "firstAt"`

const record = statement<{ retryAt: Date | null }>(
  'failed-message.record',
  `insert into failed_message as f (id, type, envelope, reason, retry_at)
   values ($1, $2, $3, $4, now() + make_interval(secs => ($5::float8[])[1]))
   on conflict (id) do update set reason = excluded.reason, tries = f.tries + 1, last_at = now(),
     retry_at = now() + make_interval(secs => ($5::float8[])[f.tries + 1])
   returning retry_at as "retryAt"`,
)
const bury = statement(
  'failed-message.bury',
  `insert into failed_message (id, type, envelope, reason, retry_at) values ($1, $2, $3, $4, null)
   on conflict (id) do update set reason = excluded.reason, retry_at = null, last_at = now()`,
)
const count = statement<{ deliveries: number }>(
  'failed-message.count-delivery',
  `insert into failed_message as f (id, type, envelope, reason, retry_at)
   values ($1, $2, $3, 'delivered again: whoever had it died or gave it back', now() + interval '10 minutes')
   on conflict (id) do update set deliveries = f.deliveries + 1, last_at = now()
   returning deliveries`,
)
const takeDue = statement<FailedMessage>(
  'failed-message.take-due',
  `update failed_message set retry_at = now() + interval '30 seconds', deliveries = deliveries + 1
   where id in (select id from failed_message where retry_at <= now() order by retry_at limit 20 for update skip locked)
   returning ${columns}`,
)
const forget = statement('failed-message.forget', 'delete from failed_message where id = $1')

/** Records one more failure; says whether there will be another try. */
export async function deferMessage(
  database: Database,
  envelope: Envelope,
  reason: string,
): Promise<'deferred' | 'dead'> {
  const values = [envelope.id, envelope.type, JSON.stringify(envelope), reason, retryAfterSeconds]
  const { retryAt } = await database.one(record, values)
  return retryAt ? 'deferred' : 'dead'
}

/** Counts one more delivery of a message that had been delivered before. */
export async function countDelivery(database: Database, envelope: Envelope): Promise<number> {
  return (await database.one(count, [envelope.id, envelope.type, JSON.stringify(envelope)])).deliveries
}

/** Nothing that comes later could make this one succeed. */
export async function buryMessage(database: Database, envelope: Envelope, reason: string): Promise<void> {
  await database.run(bury, [envelope.id, envelope.type, JSON.stringify(envelope), reason])
}

/** Those whose time has come, with a lease of 30 s on each. */
export const takeDueMessages = (database: Database): Promise<FailedMessage[]> => database.many(takeDue)

export async function forgetFailure(database: Database, id: string): Promise<void> {
  await database.run(forget, [id])
}
