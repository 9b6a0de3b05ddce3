import {
  type CallFacts,
  type EventFacts,
  type IntentFacts,
  type PaymentFacts,
  type PaymentTraffic,
  type RefundFacts,
  trafficLimit,
  type Which,
} from '@holdfast/contracts/facts'
import type { PaymentsOnRecord } from '@holdfast/contracts/messages/payment'
import { type Queries, statement } from '@holdfast/db/database'
import { told, type WithDates } from '@holdfast/db/told'
import { readTraffic } from '@holdfast/messaging/traffic'

/** What payment has on record, for whoever holds it against what the others have. No client secret is read. */

type Reader = Pick<Queries, 'one' | 'many'>
type PaymentRow = WithDates<Omit<PaymentFacts, 'intents'> & { id: string }, 'closeAt' | 'createdAt'>
type IntentRow = WithDates<Omit<IntentFacts, 'refunds'> & { paymentId: string }, 'capturedAt' | 'updatedAt'>

const clock = statement<{ now: Date }>('facts.clock', 'select clock_timestamp() as now')

const payments = (name: string, where: string) =>
  statement<PaymentRow>(
    `facts.payments-${name}`,
    `select id, reservation_id as "reservationId", state, close_at as "closeAt", created_at as "createdAt"
     from payment where reservation_id ${where} order by reservation_id limit $2`,
  )
const paymentsOf = payments('of', '= any($1::uuid[])')
const paymentsAfter = payments('after', '> $1::uuid')

const intents = statement<IntentRow>(
  'facts.intents',
  `select id, payment_id as "paymentId", status, amount_received as "amountReceivedMinor", currency,
     captured_at as "capturedAt", mismatch, refund_cause as "refundCause", updated_at as "updatedAt"
   from payment_intent where payment_id = any($1::uuid[]) order by created_at, id`,
)

const refunds = statement<WithDates<RefundFacts, 'createdAt'>>(
  'facts.refunds',
  `select id, payment_intent_id as "paymentIntentId", cause, amount as "amountMinor", status, created_at as "createdAt"
   from refund where payment_intent_id = any($1::text[]) order by created_at, id`,
)

export async function readPayments(database: Reader, which: Which): Promise<PaymentsOnRecord> {
  const [{ now }, rows] = await Promise.all([
    database.one(clock),
    'of' in which
      ? database.many(paymentsOf, [which.of, which.of.length])
      : database.many(paymentsAfter, [which.after, which.limit]),
  ])
  const intentsOf = await readIntents(
    database,
    rows.map(({ id }) => id),
  )
  const complete = rows.map(({ id, ...row }) => ({ ...told(row), intents: intentsOf.get(id) ?? [] }))
  return { now: now.toISOString(), payments: complete }
}

async function readIntents(database: Reader, paymentIds: readonly string[]): Promise<Map<string, IntentFacts[]>> {
  if (paymentIds.length === 0) return new Map()
  const rows = await database.many(intents, [paymentIds])
  const paid = rows.filter(({ status }) => status === 'succeeded').map(({ id }) => id)
  const given = paid.length === 0 ? [] : await database.many(refunds, [paid])
  const refundsOf = Map.groupBy(given.map(told), ({ paymentIntentId }) => paymentIntentId)
  const grouped = Map.groupBy(rows, ({ paymentId }) => paymentId)
  return new Map(
    [...grouped].map(([paymentId, ofPayment]) => [
      paymentId,
      ofPayment.map(({ paymentId: _, ...row }) => ({ ...told(row), refunds: refundsOf.get(row.id) ?? [] })),
    ]),
  )
}

const calls = statement<WithDates<CallFacts, 'retryAt' | 'createdAt'>>(
  'facts.calls',
  `select key, operation, reservation_id as "reservationId", tries, retry_at as "retryAt", created_at as "createdAt",
     case when problem is not null
       then jsonb_build_object('kind', problem->>'kind', 'code', problem->>'code')
     end as problem
   from stripe_call where state = 'pending' and ($1::uuid is null or reservation_id = $1)
   order by created_at limit ${trafficLimit}`,
)

const events = statement<WithDates<EventFacts, 'receivedAt'>>(
  'facts.events',
  `select id, type, state, payment_intent_id as "paymentIntentId", received_at as "receivedAt"
   from stripe_event where state in ('parked', 'given_up') and $1::uuid is null
   order by state <> 'parked', received_at limit ${trafficLimit}`,
)

/** An event that nobody could place is about no reservation that is known. */
export async function readPaymentTraffic(database: Reader, reservationId: string | undefined): Promise<PaymentTraffic> {
  const [traffic, pending, unplaced] = await Promise.all([
    readTraffic(database, reservationId),
    database.many(calls, [reservationId ?? null]),
    database.many(events, [reservationId ?? null]),
  ])
  return { ...traffic, calls: pending.map(told), events: unplaced.map(told) }
}
