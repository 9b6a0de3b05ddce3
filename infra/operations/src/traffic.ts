import { ageSeconds, type Bounds, type Finding, standingOf } from './booking.ts'
import { type DatabaseName, type Databases, databaseNames } from './databases.ts'

/** What is on its way: outboxes, failed messages, calls to Stripe and its events. Rows that are few unless something is wrong. */

export interface OutboxFacts {
  readonly id: string
  readonly type: string
  readonly reservationId: string | null
  readonly createdAt: Date
  readonly parkedAt: Date | null
}

export interface FailedFacts {
  readonly id: string
  readonly type: string
  readonly reservationId: string | null
  readonly reason: string
  readonly retryAt: Date | null
  readonly firstAt: Date
  /** It was handled after all, for it was said again. */
  readonly handled: boolean
}

export interface CallFacts {
  readonly key: string
  readonly operation: string
  readonly reservationId: string | null
  readonly problem: { readonly kind: string; readonly code?: string | null } | null
  readonly tries: number
  readonly retryAt: Date
  readonly createdAt: Date
}

export interface EventFacts {
  readonly id: string
  readonly type: string
  readonly state: 'parked' | 'given_up'
  readonly paymentIntentId: string | null
  readonly receivedAt: Date
}

/** Enough to see what is wrong; how many there are in all is counted. */
const limit = 200

const outboxSql = `
  select id, routing_key as type, envelope->>'correlationid' as "reservationId", created_at as "createdAt",
    parked_at as "parkedAt"
  from outbox order by parked_at is null, created_at limit ${limit}`

const failedSql = `
  select id, type, envelope->>'correlationid' as "reservationId", left(reason, 300) as reason, retry_at as "retryAt",
    first_at as "firstAt", exists (select from inbox i where i.id = f.id) as handled
  from failed_message f order by retry_at is not null, last_at desc limit ${limit}`

const callSql = `
  select key, operation, reservation_id as "reservationId", problem, tries, retry_at as "retryAt", created_at as "createdAt"
  from stripe_call where state = 'pending' order by created_at limit ${limit}`

const eventSql = `
  select id, type, state, payment_intent_id as "paymentIntentId", received_at as "receivedAt"
  from stripe_event where state in ('parked', 'given_up') order by state <> 'parked', received_at limit ${limit}`

const clockSql = 'select clock_timestamp() as now'

export async function judgeTraffic(databases: Databases, bounds: Bounds): Promise<Finding[]> {
  const perService = databaseNames.map(async (name) => {
    const [outbox, failed, now] = await Promise.all([
      databases.rows<OutboxFacts>(name, outboxSql),
      databases.rows<FailedFacts>(name, failedSql),
      clockOf(databases, name),
    ])
    return [
      ...outbox.map((row) => judgeOutbox(name, row, now, bounds)),
      ...failed.map((row) => judgeFailed(name, row, now, bounds)),
    ]
  })
  const [calls, events, now] = await Promise.all([
    databases.rows<CallFacts>('payment', callSql),
    databases.rows<EventFacts>('payment', eventSql),
    clockOf(databases, 'payment'),
  ])
  return [
    ...(await Promise.all(perService)).flat(),
    ...calls.map((row) => judgeCall(row, now, bounds)),
    ...events.map((row) => judgeEvent(row, now, bounds)),
  ]
}

async function clockOf(databases: Databases, name: DatabaseName): Promise<Date> {
  const [row] = await databases.rows<{ now: Date }>(name, clockSql)
  return row?.now ?? new Date()
}

export function judgeOutbox(service: DatabaseName, row: OutboxFacts, now: Date, bounds: Bounds): Finding {
  const { id, type, reservationId, createdAt, parkedAt } = row
  const subject = reservationId ?? `${service}'s outbox`
  if (parkedAt) {
    const what = `${service}: the broker kept refusing ${type} (${id}); parked, nobody will try it again`
    return { subject, kind: 'parked', what, since: parkedAt, standing: 'drift' }
  }
  const what = `${service}: ${type} is not published yet`
  return { subject, kind: 'outbox', what, since: createdAt, standing: standingOf(createdAt, now, bounds.outbox) }
}

export function judgeFailed(service: DatabaseName, row: FailedFacts, now: Date, bounds: Bounds): Finding {
  const { id, type, reservationId, reason, retryAt, firstAt, handled } = row
  const common = { subject: reservationId ?? `${service}'s messages`, since: firstAt }
  if (handled) {
    const what = `${service}: ${type} (${id}) failed once and has been handled since; it may be discarded`
    return { ...common, kind: 'handled-since', what, standing: 'note' }
  }
  if (!retryAt)
    return { ...common, kind: 'dead-letter', what: `${service}: ${type} (${id}): ${reason}`, standing: 'drift' }
  const standing = standingOf(retryAt, now, bounds.wakeOverdue)
  const when = standing === 'drift' ? 'should have been tried again' : 'will be tried again'
  return { ...common, kind: 'failed', what: `${service}: ${type} ${when}: ${reason}`, standing }
}

/** The least number of tries that a Stripe which was away for the whole bound can have cost: then it is no old key anew. */
const manyTries = 10

export function judgeCall(row: CallFacts, now: Date, bounds: Bounds): Finding {
  const { key, operation, reservationId, problem, tries, retryAt, createdAt } = row
  const said = problem ? `${problem.kind}${problem.code ? ` ${problem.code}` : ''}` : 'no answer yet'
  const isRefused = problem !== null && problem.kind !== 'unknown'
  const isAbandoned = ageSeconds(retryAt, now) > bounds.outbox
  // A key can be used anew long after it was made, so its age alone says nothing.
  const isOld = tries >= manyTries && ageSeconds(createdAt, now) > bounds.stripeCall
  const why = isRefused ? 'Stripe refuses it' : isAbandoned ? 'nobody tries it: is payment running?' : `${tries} tries`
  return {
    subject: reservationId ?? key,
    kind: 'stripe-call',
    what: `${operation} (${key}) is not done: ${why} (${said})`,
    since: createdAt,
    standing: isRefused || isAbandoned || isOld ? 'drift' : 'moving',
  }
}

export function judgeEvent(row: EventFacts, now: Date, bounds: Bounds): Finding {
  const { id, type, state, paymentIntentId, receivedAt } = row
  const common = { subject: id, since: receivedAt }
  const about = `${type} about ${paymentIntentId}, which is none of ours`
  if (state === 'given_up')
    return { ...common, kind: 'event-given-up', what: `${about}: given up after a day`, standing: 'note' }
  const standing = standingOf(receivedAt, now, bounds.parkedEvent)
  return { ...common, kind: 'event-parked', what: `${about} (yet): parked`, standing }
}
