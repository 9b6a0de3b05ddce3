import { AuditMoney, type MoneyFacts } from '@holdfast/contracts/messages/reservation'
import { type Database, statement } from '@holdfast/db/database'
import type { Messaging } from '@holdfast/messaging/messaging'
import type { Logger } from '@holdfast/runtime/logger'
import { captureOf } from './payment.ts'
import { failedOf, returnedOf } from './refund.ts'
import { refundsOfPayment } from './refund-store.ts'
import { findPayment, intentsOf } from './store.ts'

/**
 * Makes sure that reservation has heard of all money. Captures and refunds are told by message; but a broker that was wiped
 * has taken it along, and for the capture of a second intent, or a refund that somebody made in the dashboard, reservation
 * waits for nothing that it could miss. So a while after each such fact (`noteMoney`) it is asked, until it has heard.
 */

/** Payments in one question: enough for a backlog, and answered well within its caller's patience. */
const atOnce = 100

/** Nobody else asks about these for the next ten seconds; what was not heard of is asked about again, ever less often. */
const takeDue = statement<Due>(
  'payment-audit.take-due',
  `update payment set audits = audits + 1,
     audit_at = date_trunc('milliseconds', now() + make_interval(secs => least(3600, 10 * power(2, least(audits, 10))) - $1))
   where id in (
     select id from payment where audit_at <= now() - make_interval(secs => $1)
     order by audit_at limit ${atOnce} for update skip locked
   )
   returning id, reservation_id as "reservationId", audit_at as "auditAt"`,
)
/** Nobody was there to answer, which says nothing of these. */
const unasked = statement(
  'payment-audit.unasked',
  `update payment p set audits = greatest(0, audits - 1),
     audit_at = date_trunc('milliseconds', now() + make_interval(secs => 10 - $3::float8))
   from unnest($1::uuid[], $2::timestamptz[]) as asked (id, audit_at)
   where p.id = asked.id and p.audit_at = asked.audit_at`,
)
/** But not what has become known since it was asked. */
const finish = statement(
  'payment-audit.finish',
  `update payment p set audits = 0, audit_at = null from unnest($1::uuid[], $2::timestamptz[]) as heard (id, audit_at)
   where p.id = heard.id and p.audit_at = heard.audit_at`,
)

interface AuditParts {
  readonly database: Database
  readonly messaging: Pick<Messaging, 'ask' | 'connected'>
  readonly logger: Logger
}

/** Asks about those that are due; says whether there may be more. */
export async function auditMoney({ database, messaging, logger }: AuditParts, graceSeconds: number): Promise<boolean> {
  if (!messaging.connected()) return false
  const due = await database.many(takeDue, [graceSeconds])
  if (due.length === 0) return false
  const facts = await Promise.all(due.map(({ reservationId }) => factsOf(database, reservationId)))
  const { heard } = await messaging.ask(AuditMoney, { facts }).catch(async (error) => {
    await database.run(unasked, [...columnsOf(due), graceSeconds])
    throw error
  })
  await database.run(finish, columnsOf(due.filter(({ reservationId }) => heard.includes(reservationId))))
  for (const { reservationId } of due)
    if (!heard.includes(reservationId)) logger.warn({ reservationId }, 'reservation has not heard of this money yet')
  return due.length === atOnce
}

interface Due {
  readonly id: string
  readonly reservationId: string
  readonly auditAt: Date
}
const columnsOf = (due: readonly Due[]) => [due.map(({ id }) => id), due.map(({ auditAt }) => auditAt)]

async function factsOf(database: Database, reservationId: string): Promise<MoneyFacts> {
  const payment = await findPayment(database, reservationId)
  if (!payment) return { reservationId, captures: [], returned: [], failed: [] }
  const [intents, refunds] = await Promise.all([intentsOf(database, payment), refundsOfPayment(database, payment.id)])
  return {
    reservationId,
    captures: intents.map((intent) => captureOf(payment, intent)).filter((capture) => capture !== undefined),
    returned: intents.flatMap((intent) => returnedOf(payment, intent, refunds)),
    failed: intents.flatMap((intent) => failedOf(payment, intent, refunds)),
  }
}
