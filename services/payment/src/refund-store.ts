import { type Queries, statement } from '@holdfast/db/database'
import type { SeenRefund } from './stripe-objects.ts'

/** Refunds in SQL, one row for each at Stripe. */

type Cause = 'late' | 'duplicate' | 'mismatch' | 'external'

export interface RefundRow {
  readonly id: string
  readonly paymentIntentId: string
  readonly cause: Cause
  readonly amountMinor: number
  readonly reason: string | null
  readonly status: string
  readonly createdAt: Date
}

const columns = `r.id, r.payment_intent_id as "paymentIntentId", r.cause, r.amount as "amountMinor", r.reason, r.status,
  r.created_at as "createdAt"`

/** A refund that has failed stays so: the answer that it was made may be read later than the news that it failed. */
const upsert = statement(
  'refund.upsert',
  `insert into refund (id, payment_intent_id, cause, amount, reason, status, created_at) values ($1, $2, $3, $4, $5, $6, $7)
   on conflict (id) do update set status = excluded.status where refund.status not in ('failed', 'canceled')`,
)
const ofIntent = statement<RefundRow>(
  'refund.of-intent',
  `select ${columns} from refund r where r.payment_intent_id = $1 order by r.created_at, r.id`,
)
const ofPayment = statement<RefundRow>(
  'refund.of-payment',
  `select ${columns} from refund r join payment_intent i on i.id = r.payment_intent_id
   where i.payment_id = $1 order by r.created_at, r.id`,
)
const setRefunded = statement(
  'refund.set-amount',
  'update payment_intent set amount_refunded = $2, updated_at = now() where id = $1 and amount_refunded <> $2',
)

export async function saveRefund(tx: Queries, paymentIntentId: string, refund: SeenRefund): Promise<void> {
  const { id, cause, amountMinor, reason, status, createdAt } = refund
  const values = [id, paymentIntentId, cause ?? 'external', amountMinor, reason, status, createdAt]
  await tx.run(upsert, values)
}

export const refundsOfIntent = (queries: Queries, intentId: string) => queries.many(ofIntent, [intentId])
export const refundsOfPayment = (queries: Queries, paymentId: string) => queries.many(ofPayment, [paymentId])
export const saveAmountRefunded = (tx: Queries, intentId: string, amount: number) =>
  tx.run(setRefunded, [intentId, amount])
