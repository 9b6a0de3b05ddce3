import type { Intent, Payment } from '../../services/payment/src/payment.ts'
import type { RefundRow } from '../../services/payment/src/refund-store.ts'
import type { Clock } from './clock.ts'
import { type Statements, type Values, violation } from './database.ts'
import type { Store } from './store.ts'
import { createLedgerTables } from './tables-ledger.ts'
import { createMessagingTables } from './tables-messaging.ts'

/** The payment service's tables: what store.ts, refund-store.ts, customers.ts and method-store.ts there say in SQL. */

interface PaymentRow extends Payment {
  readonly closeAt: number | null
  readonly closeTries: number
  readonly auditAt: number | null
  readonly audits: number
}

interface IntentRow extends Intent {
  readonly paymentId: string
}

export type PaymentTables = ReturnType<typeof createPaymentTables>

export function createPaymentTables(store: Store, clock: Clock) {
  const messaging = createMessagingTables(store, clock)
  const ledger = createLedgerTables(store, clock)
  const payments = store.table<PaymentRow>()
  const attempts = store.table<{ answer: unknown }>()
  const intents = store.table<IntentRow>()
  const refunds = store.table<RefundRow>()
  const customers = store.table<{ id: string }>()

  const ofReservation = (id: string) => payments.where((row) => row.reservationId === id)
  const touched = (rows: readonly PaymentRow[], columns: Partial<PaymentRow>) => {
    for (const { id } of rows) payments.change(id, columns)
    return rows
  }

  function saveIntent(values: Values) {
    const [id, paymentId, attempt, clientSecret, status, progress, actionType, declineCode, chargeId] = values
    const [amountReceivedMinor, currency, capturedAt, mismatch, eventAt] = values.slice(9)
    const before = intents.get(id)
    const facts = { status, progress, actionType, declineCode, chargeId, amountReceivedMinor, currency }
    const known = before ?? { id, paymentId, attempt, amountRefundedMinor: 0, refundCause: null }
    const secret = before?.clientSecret ?? clientSecret
    const newest = [before?.eventAt, eventAt].filter((time) => time instanceof Date)
    const at = newest.length > 0 ? new Date(Math.max(...newest.map(Number))) : null
    const row: IntentRow = { ...known, ...facts, capturedAt, mismatch, clientSecret: secret, eventAt: at }
    assertChecks(row)
    intents.put(id, row)
    if (intents.where((other) => other.paymentId === paymentId && isUnpaid(other)).length > 1)
      throw violation('payment_intent_one_open')
    return [{ id }]
  }

  function saveRefund(values: Values) {
    const [id, paymentIntentId, cause, amountMinor, reason, status, createdAt] = values
    const before = refunds.get(id)
    if (before && hasFailed(before)) return []
    const row = { id, paymentIntentId, cause, amountMinor, reason, status, createdAt }
    refunds.put(id, before ? { ...before, status } : row)
    return [{ id }]
  }

  /** Those of them that have no newer money since they were asked about. */
  const asked = (ids: string[], times: Date[]) =>
    ids.flatMap((id, n) => payments.where((row) => row.id === id && row.auditAt === times[n]?.getTime()))

  const statements: Statements = {
    ...messaging.statements,
    ...ledger.statements,
    'payment.insert': ([reservationId, userId, amountMinor, currency, state]) => {
      if (ofReservation(reservationId).length > 0) return []
      const id = `00000000-0000-4000-8001-${reservationId.slice(-12)}`
      payments.put(id, {
        id,
        reservationId,
        userId,
        amountMinor,
        currency,
        state,
        revision: 0,
        closeAt: null,
        closeTries: 0,
        auditAt: null,
        audits: 0,
      })
      return [{ id }]
    },
    'payment.lock': ([id]) => ofReservation(id),
    'payment.find': ([id]) => ofReservation(id),
    'payment.lock-by-intent': ([id]) => payments.where((row) => row.id === intents.get(id)?.paymentId),
    'payment.intents': ([id]) => intents.where((row) => row.paymentId === id),
    'payment.bump-revision': ([id]) => {
      const revision = (payments.get(id)?.revision ?? 0) + 1
      payments.change(id, { revision })
      return [{ revision }]
    },
    'payment.begin-closing': ([id]) => {
      const open = payments.where((row) => row.id === id && row.state === 'open')
      return touched(open, { state: 'closing', closeAt: clock.now() + 5_000 })
    },
    'payment.close': ([id]) => {
      const open = payments.where((row) => row.id === id && row.state !== 'closed')
      return touched(open, { state: 'closed', closeAt: null })
    },
    'payment.take-closing': () => {
      const due = payments.where(({ closeAt }) => closeAt !== null && closeAt <= clock.now())
      return touched(due, { closeAt: clock.now() + 5_000 })
    },
    'payment.close-again': ([id, seconds]) => {
      const closing = ofReservation(id).filter(({ state }) => state === 'closing')
      return touched(closing, { closeAt: clock.now() + seconds * 1_000 })
    },
    'payment.close-later': ([id]) => {
      const closing = ofReservation(id).filter(({ state }) => state === 'closing')
      for (const { id, closeTries } of closing) {
        const closeAt = clock.now() + Math.min(300, 1.5 * 2 ** Math.min(closeTries, 10)) * 1_000
        payments.change(id, { closeAt, closeTries: closeTries + 1 })
      }
      return closing
    },
    'payment.close-sooner': ([id]) => {
      const tried = payments.where((row) => row.id === id && row.state === 'closing' && row.closeTries > 0)
      return touched(tried, { closeAt: clock.now(), closeTries: 0 })
    },
    'payment.money-news': ([id]) => {
      payments.change(id, { auditAt: clock.now(), audits: 0 })
      return [{ id }]
    },
    'payment-audit.take-due': ([graceSeconds]) => {
      const due = payments.where(({ auditAt }) => auditAt !== null && auditAt <= clock.now() - graceSeconds * 1_000)
      return due.map(({ id, reservationId, audits }) => {
        const waitSeconds = Math.min(3_600, 10 * 2 ** Math.min(audits, 10))
        const auditAt = clock.now() + (waitSeconds - graceSeconds) * 1_000
        payments.change(id, { auditAt, audits: audits + 1 })
        return { id, reservationId, auditAt: new Date(auditAt) }
      })
    },
    'payment-audit.unasked': ([ids, times, graceSeconds]) =>
      asked(ids, times).flatMap((row) => {
        const auditAt = clock.now() + (10 - graceSeconds) * 1_000
        return touched([row], { auditAt, audits: Math.max(0, row.audits - 1) })
      }),
    'payment-audit.finish': ([ids, times]) => touched(asked(ids, times), { auditAt: null, audits: 0 }),
    'payment.find-attempt': ([id, attempt]) => {
      const row = attempts.get(`${id}:${attempt}`)
      return row ? [row] : []
    },
    'payment.insert-attempt': ([id, attempt, answer]) => {
      if (attempts.get(`${id}:${attempt}`)) return []
      attempts.put(`${id}:${attempt}`, { answer: JSON.parse(answer) })
      return [{ id }]
    },
    'payment.upsert-intent': saveIntent,
    'payment.set-refund-cause': ([id, refundCause]) => {
      const undecided = intents.where((row) => row.id === id && row.refundCause === null)
      for (const row of undecided) intents.change(row.id, { refundCause })
      return undecided
    },
    'payment.cancel-intent': ([id]) => {
      const unpaid = intents.where((row) => row.id === id && row.status !== 'succeeded')
      for (const row of unpaid) intents.change(row.id, { status: 'canceled' })
      return unpaid
    },
    'refund.upsert': saveRefund,
    'refund.of-intent': ([id]) => refunds.where((row) => row.paymentIntentId === id),
    'refund.of-payment': ([id]) => refunds.where((row) => intents.get(row.paymentIntentId)?.paymentId === id),
    'refund.set-amount': ([id, amountRefundedMinor]) => {
      intents.change(id, { amountRefundedMinor })
      return [{ id }]
    },
    'customer.find': ([userId]) => customers.where((row) => row.id === `cus_${userId}`),
    'customer.insert': ([userId, id]) => {
      customers.put(userId, { id })
      return [{ id }]
    },
    // Everybody has the same cards; Stripe's id says how each of them behaves.
    'method.find': ([, id]) => [{ id, stripeMethodId: cardOf(id) }],
  }

  return { messaging, ...ledger, payments, intents, refunds, statements }
}

/** Saved cards by our own id: the last digit says which. */
export const savedCards = { good: 'pm_good', declined: 'pm_declined', '3ds': 'pm_3ds' } as const
export const savedCardId = (card: keyof typeof savedCards) =>
  `00000000-0000-4000-8002-00000000000${Object.keys(savedCards).indexOf(card)}`
const cardOf = (id: string) => Object.values(savedCards)[Number(id.at(-1))]

const hasFailed = ({ status }: RefundRow) => status === 'failed' || status === 'canceled'
const isUnpaid = ({ status }: Intent) => status !== 'canceled' && status !== 'succeeded'

/** The table's CHECKs. */
function assertChecks({ status, capturedAt, mismatch, refundCause }: IntentRow): void {
  const isPaid = capturedAt !== null || mismatch !== null
  if ((capturedAt !== null && mismatch !== null) || (status === 'succeeded') !== isPaid)
    throw violation('payment_intent_paid', '23514')
  if (refundCause !== null && status !== 'succeeded') throw violation('payment_intent_refund_cause', '23514')
}
