import { type FailedFacts, type OutboxFacts, type Traffic, trafficLimit } from '@holdfast/contracts/facts'
import { type Queries, statement } from '@holdfast/db/database'
import { told, type WithDates } from '@holdfast/db/told'

/** What a service has said and not published yet, and what it has heard and not handled. */

const clock = statement<{ now: Date }>('traffic.clock', 'select clock_timestamp() as now')

const outbox = statement<WithDates<OutboxFacts, 'createdAt' | 'parkedAt'>>(
  'traffic.outbox',
  `select id, routing_key as type, envelope->>'correlationid' as "reservationId", created_at as "createdAt",
     parked_at as "parkedAt"
   from outbox where $1::text is null or envelope->>'correlationid' = $1
   order by parked_at is null, created_at limit ${trafficLimit}`,
)

const failed = statement<WithDates<FailedFacts, 'retryAt' | 'firstAt'>>(
  'traffic.failed',
  `select id, type, envelope->>'correlationid' as "reservationId", left(reason, 300) as reason, retry_at as "retryAt",
     first_at as "firstAt", exists (select from inbox i where i.id = f.id) as handled
   from failed_message f where $1::text is null or envelope->>'correlationid' = $1
   order by retry_at is not null, last_at desc limit ${trafficLimit}`,
)

export async function readTraffic(
  database: Pick<Queries, 'one' | 'many'>,
  reservationId: string | undefined,
): Promise<Traffic> {
  const [{ now }, waiting, failures] = await Promise.all([
    database.one(clock),
    database.many(outbox, [reservationId ?? null]),
    database.many(failed, [reservationId ?? null]),
  ])
  return { now: now.toISOString(), outbox: waiting.map(told), failed: failures.map(told) }
}
