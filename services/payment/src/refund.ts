import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { send } from '@holdfast/contracts/message'
import {
  PaymentRefunded,
  PaymentRefundFailed,
  RefundPayment,
  type Returned,
} from '@holdfast/contracts/messages/payment'
import { task } from '@holdfast/messaging/handler'
import type { Logger } from '@holdfast/runtime/logger'
import { Counter, registry } from '@holdfast/runtime/metrics'
import { type Intent, isCaptured, type Payment } from './payment.ts'
import { type RefundRow, refundsOfIntent, saveAmountRefunded, saveRefund } from './refund-store.ts'
import { decideRefund, intentsOf, lockPayment, noteMoney } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import { type Call, type Operations, type StripeCalls, type Tx, writeCall } from './stripe-calls.ts'
import type { SeenRefund } from './stripe-objects.ts'

/** After each refund that failed, until the next. A bank that says no today seldom says yes in a minute. */
const againSeconds = [60, 600, 3_600, 6 * 3_600, 24 * 3_600]

const failures = new Counter({
  name: 'holdfast_payment_refunds_failed_total',
  help: 'Refunds that failed or were cancelled after they were made: the money is with us again',
  labelNames: ['cause'],
  registers: [registry],
})
const givenUp = new Counter({
  name: 'holdfast_payment_refunds_given_up_total',
  help: 'Times it was found that money has to be given back by hand, because our refunds of it keep failing',
  labelNames: ['cause'],
  registers: [registry],
})

interface Facts {
  readonly reservationId: string
  readonly paymentIntentId: string
}

/**
 * Gives all of one captured intent back, once. The order is committed first and stays in the ledger until Stripe has
 * answered; asked again, what came of it is said again.
 */
export function refundPayment(calls: StripeCalls, logger: Logger) {
  return task(RefundPayment, async ({ reservationId, paymentIntentId, reason }) => {
    const call = await calls.transact(async (tx): Promise<Call | undefined> => {
      const { payment, intent } = await lockIntent(tx, reservationId, paymentIntentId)
      if (!isCaptured(intent)) throw new Error(`${paymentIntentId} has captured nothing to give back`)
      await decideRefund(tx, paymentIntentId, reason)
      // Whoever decided first gave the cause; another one later changes nothing.
      const cause = intent.refundCause ?? reason
      const made = returnedOf(payment, intent, await refundsOfIntent(tx, paymentIntentId)).at(-1)
      if (made && intent.refundCause && made.amountRefundedMinor >= made.capturedMinor) {
        tx.say(send(PaymentRefunded, made))
        return undefined
      }
      return writeCall(tx, { operation: 'refunds.create', reservationId, paymentIntentId, cause, round: 0 })
    })
    try {
      if (call) await calls.perform(call)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      logger.warn({ reservationId, paymentIntentId, reason: reasonOf(error) }, 'a refund will be tried again')
    }
  })
}

export function refundOperations(
  stripe: StripeDoor,
  logger: Logger,
): Pick<Operations, 'refunds.create' | 'refunds.list'> {
  return {
    'refunds.create': {
      // Without an amount, all that is left of it: even under another key nothing is given back twice.
      call: ({ paymentIntentId, reservationId, cause }, key) =>
        stripe.createRefund({ payment_intent: paymentIntentId, metadata: { reservationId, cause } }, key),
      done: (tx, work, refund: SeenRefund) => recordRefunds(tx, logger, work, [refund]),
      refused: async (tx, { reservationId, paymentIntentId }, { problem }) => {
        if (problem.code !== 'charge_already_refunded') return 'retry'
        // Someone else was first, or our own answer was lost: the list tells.
        const work = { operation: 'refunds.list', reservationId, paymentIntentId, because: 'already-refunded' } as const
        await tx.order(work, { again: true })
        return 'failed'
      },
    },
    'refunds.list': {
      call: ({ paymentIntentId }) => stripe.listRefunds(paymentIntentId),
      done: (tx, work, refunds: SeenRefund[]) => recordRefunds(tx, logger, work, refunds),
    },
  }
}

/** Records refunds as Stripe shows them; each that is new is told, whoever made it, and one of ours that failed is made anew. */
async function recordRefunds(
  tx: Tx,
  logger: Logger,
  { reservationId, paymentIntentId }: Facts,
  refunds: readonly SeenRefund[],
): Promise<void> {
  const { payment, intent } = await lockIntent(tx, reservationId, paymentIntentId)
  const before = await refundsOfIntent(tx, paymentIntentId)
  for (const refund of refunds) await saveRefund(tx, paymentIntentId, refund)
  const after = await refundsOfIntent(tx, paymentIntentId)
  const returned = returnedOf(payment, intent, after)
  const made = returned.filter(({ refund }) => !before.some(({ id }) => id === refund.refundId))
  const knownToFail = new Set(before.filter(hasFailed).map(({ id }) => id))
  const failed = failedOf(payment, intent, after).filter(({ refund }) => !knownToFail.has(refund.refundId))
  tx.say(...made.map((one) => send(PaymentRefunded, one)), ...failed.map((one) => send(PaymentRefundFailed, one)))
  if (made.length + failed.length > 0) await noteMoney(tx, payment)
  const amountRefundedMinor = returned[0]?.amountRefundedMinor ?? 0
  await saveAmountRefunded(tx, paymentIntentId, amountRefundedMinor)
  for (const { refund, cause } of failed) {
    failures.inc({ cause })
    const about = { reservationId, paymentIntentId, refundId: refund.refundId, cause }
    logger.warn(about, 'a refund failed: the money is with us')
  }
  if (amountRefundedMinor < intent.amountReceivedMinor) await refundAnew(tx, logger, payment, intent, after)
}

/** All of it was to go back, and it came back to us. A bank that refuses it every time is a matter for people. */
async function refundAnew(
  tx: Tx,
  logger: Logger,
  { reservationId }: Payment,
  { id: paymentIntentId, refundCause: cause }: Intent,
  refunds: readonly RefundRow[],
): Promise<void> {
  const round = refunds.filter(hasFailed).length
  if (cause === null || round === 0) return
  const work = { operation: 'refunds.create', reservationId, paymentIntentId, cause, round } as const
  const inSeconds = againSeconds[round - 1]
  const state = inSeconds === undefined ? 'failed' : await tx.order(work, { inSeconds })
  if (state !== 'failed') return
  givenUp.inc({ cause })
  logger.error({ reservationId, paymentIntentId, cause, round }, 'a refund keeps failing: give the money back by hand')
}

/**
 * What went back of an intent, as it is told to others. Stripe's times are whole seconds, so refunds have no order among
 * themselves: each comes with the sum of all.
 */
export const returnedOf = (payment: Payment, intent: Intent, refunds: readonly RefundRow[]): Returned[] =>
  toldOf(payment, intent, refunds, (refund) => !hasFailed(refund))

/** The refunds of an intent that gave nothing back. */
export const failedOf = (payment: Payment, intent: Intent, refunds: readonly RefundRow[]): Returned[] =>
  toldOf(payment, intent, refunds, hasFailed)

function toldOf(
  { reservationId, amountMinor }: Payment,
  { id: paymentIntentId, status, amountReceivedMinor }: Intent,
  refunds: readonly RefundRow[],
  which: (refund: RefundRow) => boolean,
): Returned[] {
  // Heard of before its payment, and perhaps heard after it: a part of what was asked for, not all of nothing.
  const capturedMinor = status === 'succeeded' ? amountReceivedMinor : (amountMinor ?? 0)
  const ofIntent = refunds.filter((refund) => refund.paymentIntentId === paymentIntentId)
  const live = ofIntent.filter((refund) => !hasFailed(refund))
  const amountRefundedMinor = live.reduce((sum, refund) => sum + refund.amountMinor, 0)
  const common = { reservationId, paymentIntentId, capturedMinor, amountRefundedMinor }
  return ofIntent.filter(which).map((refund) => ({ ...common, cause: refund.cause, refund: refundView(refund) }))
}

/** It gave nothing back. */
const hasFailed = ({ status }: RefundRow): boolean => status === 'failed' || status === 'canceled'

const refundView = ({ id, amountMinor, reason, cause, createdAt }: RefundRow) => ({
  refundId: id,
  amount: amountMinor,
  reason: reason ?? (cause === 'external' ? null : cause),
  createdAt: createdAt.toISOString(),
})

async function lockIntent(tx: Tx, reservationId: string, intentId: string) {
  const payment = await lockPayment(tx, reservationId)
  const intent = payment && (await intentsOf(tx, payment)).find(({ id }) => id === intentId)
  if (!intent) throw new Error(`${intentId} is no intent of the reservation ${reservationId}`)
  return { payment, intent }
}
