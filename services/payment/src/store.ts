import { type Queries, statement } from '@holdfast/db/database'
import type { Intent, Payment } from './payment.ts'

/** Payments and their intents in SQL. The payment's row is the lock for everything below it. */

const paymentColumns = `p.id, p.reservation_id as "reservationId", p.user_id as "userId", p.amount as "amountMinor",
  p.currency, p.state, p.revision`
const intentColumns = `i.id, i.attempt, i.client_secret as "clientSecret", i.status, i.progress,
  i.action_type as "actionType", i.decline_code as "declineCode", i.charge_id as "chargeId",
  i.amount_received as "amountReceivedMinor", i.currency, i.captured_at as "capturedAt", i.mismatch,
  i.amount_refunded as "amountRefundedMinor", i.refund_cause as "refundCause", i.event_at as "eventAt"`

const insertPayment = statement(
  'payment.insert',
  `insert into payment (reservation_id, user_id, amount, currency, state) values ($1, $2, $3, $4, $5)
   on conflict (reservation_id) do nothing`,
)
const lock = statement<Payment>(
  'payment.lock',
  `select ${paymentColumns} from payment p where p.reservation_id = $1 for update`,
)
const lockByIntent = statement<Payment>(
  'payment.lock-by-intent',
  `select ${paymentColumns} from payment p where p.id = (select payment_id from payment_intent where id = $1) for update`,
)
const find = statement<Payment>('payment.find', `select ${paymentColumns} from payment p where p.reservation_id = $1`)
const intents = statement<Intent>(
  'payment.intents',
  `select ${intentColumns} from payment_intent i where i.payment_id = $1 order by i.created_at, i.id`,
)
const bumpRevision = statement<{ revision: number }>(
  'payment.bump-revision',
  'update payment set revision = revision + 1, updated_at = now() where id = $1 returning revision',
)
const beginClosing = statement(
  'payment.begin-closing',
  `update payment set state = 'closing', close_at = now() + make_interval(secs => $2), updated_at = now()
   where id = $1 and state = 'open'`,
)
const close = statement(
  'payment.close',
  `update payment set state = 'closed', close_at = null, updated_at = now() where id = $1 and state <> 'closed'`,
)
const takeClosing = statement<{ reservationId: string }>(
  'payment.take-closing',
  `update payment set close_at = now() + interval '5 seconds'
   where id in (select id from payment where close_at <= now() order by close_at limit $1 for update skip locked)
   returning reservation_id as "reservationId"`,
)
const closeLater = statement(
  'payment.close-later',
  `update payment set close_tries = close_tries + 1,
     close_at = now() + make_interval(secs => least(300, 1.5 * power(2, least(close_tries, 10))))
   where reservation_id = $1 and state = 'closing'`,
)
const closeSooner = statement(
  'payment.close-sooner',
  `update payment set close_tries = 0, close_at = now() where id = $1 and state = 'closing' and close_tries > 0`,
)
const closeAgain = statement(
  'payment.close-again',
  `update payment set close_at = now() + make_interval(secs => $2) where reservation_id = $1 and state = 'closing'`,
)

const moneyNews = statement('payment.money-news', 'update payment set audits = 0, audit_at = now() where id = $1')

export async function insertPaymentIfNew(
  tx: Queries,
  payment: Pick<Payment, 'reservationId' | 'userId' | 'amountMinor' | 'currency' | 'state'>,
): Promise<void> {
  const { reservationId, userId, amountMinor, currency, state } = payment
  await tx.run(insertPayment, [reservationId, userId, amountMinor, currency, state])
}

export const lockPayment = (tx: Queries, reservationId: string) => tx.maybeOne(lock, [reservationId])
export const lockPaymentOfIntent = (tx: Queries, intentId: string) => tx.maybeOne(lockByIntent, [intentId])
export const findPayment = (queries: Queries, reservationId: string) => queries.maybeOne(find, [reservationId])
export const intentsOf = (queries: Queries, payment: Payment) => queries.many(intents, [payment.id])
export const nextRevision = async (tx: Queries, payment: Payment) => (await tx.one(bumpRevision, [payment.id])).revision
/** Nothing more is begun from here on. The reconciler takes it up `inSeconds`. */
export const setClosing = (tx: Queries, payment: Payment, inSeconds: number) =>
  tx.run(beginClosing, [payment.id, inSeconds])
export const setClosed = (tx: Queries, payment: Payment) => tx.run(close, [payment.id])
/** Payments whose closing is due, with a lease of five seconds on each. */
export const takePaymentsToClose = (queries: Queries, limit: number) => queries.many(takeClosing, [limit])
export const tryClosingAgain = (queries: Queries, reservationId: string, afterSeconds: number) =>
  queries.run(closeAgain, [reservationId, afterSeconds])
/** After one and a half seconds, doubled each time up to five minutes: a bank may take days. */
export const tryClosingLater = (queries: Queries, reservationId: string) => queries.run(closeLater, [reservationId])
/** What it had been waiting for may have come. */
export const tryClosingNow = (tx: Queries, payment: Payment) => tx.run(closeSooner, [payment.id])

/** There is news of its money: whether reservation has heard of it is asked in a while. */
export const noteMoney = (tx: Queries, payment: Payment) => tx.run(moneyNews, [payment.id])

const findAttempt = statement<{ answer: unknown }>(
  'payment.find-attempt',
  'select answer from payment_attempt where payment_id = $1 and attempt = $2',
)
const insertAttempt = statement(
  'payment.insert-attempt',
  'insert into payment_attempt (payment_id, attempt, answer) values ($1, $2, $3) on conflict do nothing',
)
export const answerOnRecord = async (queries: Queries, payment: Payment, attempt: number) =>
  (await queries.maybeOne(findAttempt, [payment.id, attempt]))?.answer
export const recordAnswer = (queries: Queries, payment: Payment, attempt: number, answer: object) =>
  queries.run(insertAttempt, [payment.id, attempt, JSON.stringify(answer)])

const upsertIntent = statement(
  'payment.upsert-intent',
  `insert into payment_intent as i (id, payment_id, attempt, client_secret, status, progress, action_type, decline_code,
     charge_id, amount_received, currency, captured_at, mismatch, event_at)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
   on conflict (id) do update set client_secret = coalesce(i.client_secret, excluded.client_secret),
     status = excluded.status, progress = excluded.progress, action_type = excluded.action_type,
     decline_code = excluded.decline_code, charge_id = excluded.charge_id, amount_received = excluded.amount_received,
     currency = excluded.currency, captured_at = excluded.captured_at, mismatch = excluded.mismatch,
     event_at = greatest(i.event_at, excluded.event_at), updated_at = now()`,
)
const setRefundCause = statement(
  'payment.set-refund-cause',
  'update payment_intent set refund_cause = $2, updated_at = now() where id = $1 and refund_cause is null',
)

const cancelIntent = statement(
  'payment.cancel-intent',
  `update payment_intent set status = 'canceled', updated_at = now() where id = $1 and status <> 'succeeded'`,
)
export const forgetIntent = (tx: Queries, id: string) => tx.run(cancelIntent, [id])

/** What Stripe says of an intent; the rest of what is on record is ours. */
export type IntentFacts = Omit<Intent, 'amountRefundedMinor' | 'refundCause'>

export async function saveIntent(tx: Queries, payment: Payment, intent: IntentFacts): Promise<void> {
  await tx.run(upsertIntent, [
    intent.id,
    payment.id,
    intent.attempt,
    intent.clientSecret,
    intent.status,
    intent.progress,
    intent.actionType,
    intent.declineCode,
    intent.chargeId,
    intent.amountReceivedMinor,
    intent.currency,
    intent.capturedAt,
    intent.mismatch,
    intent.eventAt,
  ])
}

/** Says whether it was this call that decided it. */
export async function decideRefund(
  tx: Queries,
  intentId: string,
  cause: NonNullable<Intent['refundCause']>,
): Promise<boolean> {
  return (await tx.run(setRefundCause, [intentId, cause])) > 0
}
