import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { send } from '@holdfast/contracts/message'
import { PaymentRefunded, RefundPayment, type Returned } from '@holdfast/contracts/messages/payment'
import { task } from '@holdfast/messaging/handler'
import type { Logger } from '@holdfast/runtime/logger'
import { type Intent, isCaptured, type Payment } from './payment.ts'
import { type RefundRow, refundsOfIntent, saveAmountRefunded, saveRefund } from './refund-store.ts'
import { decideRefund, intentsOf, lockPayment } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import { type Call, type Operations, type StripeCalls, type Tx, writeCall } from './stripe-calls.ts'
import type { SeenRefund } from './stripe-objects.ts'

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
      return writeCall(tx, { operation: 'refunds.create', reservationId, paymentIntentId, cause })
    })
    try {
      if (call) await calls.perform(call)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      logger.warn({ reservationId, paymentIntentId, reason: reasonOf(error) }, 'a refund will be tried again')
    }
  })
}

export function refundOperations(stripe: StripeDoor): Pick<Operations, 'refunds.create' | 'refunds.list'> {
  return {
    'refunds.create': {
      // Without an amount, all that is left of it: even under another key nothing is given back twice.
      call: ({ paymentIntentId, reservationId, cause }, key) =>
        stripe.createRefund({ payment_intent: paymentIntentId, metadata: { reservationId, cause } }, key),
      done: (tx, { reservationId, paymentIntentId }, refund: SeenRefund) =>
        recordRefunds(tx, reservationId, paymentIntentId, [refund]),
      refused: async (tx, { reservationId, paymentIntentId }, { problem }) => {
        if (problem.code !== 'charge_already_refunded') return 'retry'
        // Someone else was first, or our own answer was lost: the list tells.
        await tx.order({ operation: 'refunds.list', reservationId, paymentIntentId, because: 'already-refunded' })
        return 'failed'
      },
    },
    'refunds.list': {
      call: ({ paymentIntentId }) => stripe.listRefunds(paymentIntentId),
      done: (tx, { reservationId, paymentIntentId }, refunds: SeenRefund[]) =>
        recordRefunds(tx, reservationId, paymentIntentId, refunds),
    },
  }
}

/** Records refunds as Stripe shows them; each that is new is told, whoever made it. */
async function recordRefunds(
  tx: Tx,
  reservationId: string,
  intentId: string,
  refunds: readonly SeenRefund[],
): Promise<void> {
  const { payment, intent } = await lockIntent(tx, reservationId, intentId)
  const news = new Set<string>()
  for (const refund of refunds) if (await saveRefund(tx, intentId, refund)) news.add(refund.id)
  const returned = returnedOf(payment, intent, await refundsOfIntent(tx, intentId))
  for (const one of returned) if (news.has(one.refund.refundId)) tx.say(send(PaymentRefunded, one))
  await saveAmountRefunded(tx, intentId, returned[0]?.amountRefundedMinor ?? 0)
}

/**
 * What went back of an intent, as it is told to others. Stripe's times are whole seconds, so refunds have no order among
 * themselves: each comes with the sum of all.
 */
export function returnedOf({ reservationId }: Payment, intent: Intent, refunds: readonly RefundRow[]): Returned[] {
  const live = refunds.filter((refund) => refund.paymentIntentId === intent.id && isLive(refund))
  const amountRefundedMinor = live.reduce((sum, refund) => sum + refund.amountMinor, 0)
  const capturedMinor = intent.amountReceivedMinor
  return live.map((refund) => ({
    reservationId,
    paymentIntentId: intent.id,
    cause: refund.cause,
    capturedMinor,
    amountRefundedMinor,
    refund: refundView(refund),
  }))
}

/** A refund that failed gave nothing back. */
const isLive = ({ status }: RefundRow): boolean => status !== 'failed' && status !== 'canceled'

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
