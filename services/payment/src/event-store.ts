import { type Database, type Queries, statement } from '@holdfast/db/database'
import type { SeenIntent } from './payment.ts'

/** Stripe's events in SQL. */

/** What an event is about, as far as it can be handled without asking Stripe. */
export type Subject =
  | { readonly about: 'intent'; readonly intent: SeenIntent; readonly createdAt: string }
  | { readonly about: 'refunds'; readonly paymentIntentId: string }
  /** One that was deleted. */
  | { readonly about: 'customer'; readonly customer: string }

export interface ParkedEvent {
  readonly id: string
  readonly subject: Subject
  readonly tries: number
}

const insert = statement(
  'event.insert',
  `insert into stripe_event (id, type, state, payment_intent_id, subject, retry_at)
   values ($1, $2, $3, $4, $5, case when $3 = 'parked' then now() + interval '1 second' end)
   on conflict (id) do nothing`,
)
const know = statement<{ id: string }>('event.know', 'select id from stripe_event where id = $1')
const lockParked = statement<ParkedEvent>(
  'event.lock-parked',
  `select id, subject, tries from stripe_event where state = 'parked' and retry_at <= now()
   order by retry_at limit 1 for update skip locked`,
)
const finish = statement(
  'event.finish',
  `update stripe_event set state = 'done', retry_at = null, tries = tries + 1 where id = $1`,
)
/** One second, doubled up to five minutes; for a day. */
const parkAgain = statement(
  'event.park-again',
  `update stripe_event set tries = tries + 1,
     state = case when received_at < now() - interval '1 day' then 'given_up' else 'parked' end,
     retry_at = case when received_at < now() - interval '1 day' then null
                     else now() + make_interval(secs => least(300, power(2, least(tries, 10)))) end
   where id = $1`,
)
const countParked = statement<{ count: number }>(
  'event.count-parked',
  `select count(*) as count from stripe_event where state = 'parked'`,
)
const clean = statement(
  'event.clean',
  `delete from stripe_event where id in (
     select id from stripe_event where state <> 'parked' and received_at < now() - interval '30 days' limit 1000
   )`,
)

/** Says whether it was not known before. */
export async function insertEvent(
  tx: Queries,
  event: { id: string; type: string },
  state: 'done' | 'ignored' | 'parked',
  subject: Subject | undefined,
): Promise<boolean> {
  const kept = subject && JSON.stringify(withoutSecret(subject))
  return (await tx.run(insert, [event.id, event.type, state, subject ? intentOf(subject) : null, kept ?? null])) > 0
}

function intentOf(subject: Subject): string | null {
  switch (subject.about) {
    case 'intent':
      return subject.intent.id
    case 'refunds':
      return subject.paymentIntentId
    case 'customer':
      return null
  }
}

export const knowsEvent = async (queries: Queries, id: string) => (await queries.maybeOne(know, [id])) !== undefined
export const lockParkedEvent = (tx: Queries) => tx.maybeOne(lockParked)
export const finishEvent = (tx: Queries, id: string) => tx.run(finish, [id])
export const parkEventAgain = (tx: Queries, id: string) => tx.run(parkAgain, [id])
export const parkedEvents = async (database: Database) => (await database.one(countParked)).count
export const cleanEvents = async (database: Database) => (await database.run(clean)) > 0

function withoutSecret(subject: Subject): Subject {
  return subject.about === 'intent' ? { ...subject, intent: { ...subject.intent, clientSecret: null } } : subject
}
