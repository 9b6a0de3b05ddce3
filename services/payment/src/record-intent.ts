import { send } from '@holdfast/contracts/message'
import { PaymentCaptured, PaymentProgressed } from '@holdfast/contracts/messages/payment'
import { Counter, registry } from '@holdfast/runtime/metrics'
import {
  captureOf,
  type Intent,
  isOpen,
  type Payment,
  type Progress,
  type SeenIntent,
  type Sighting,
  whenIntentSeen,
} from './payment.ts'
import {
  decideRefund,
  type IntentFacts,
  intentsOf,
  lockPayment,
  lockPaymentOfIntent,
  nextRevision,
  noteMoney,
  saveIntent,
  setClosing,
} from './store.ts'
import type { StripeCalls, Tx } from './stripe-calls.ts'

const mismatches = new Counter({
  name: 'holdfast_payment_mismatches_total',
  help: 'Intents that were paid with another amount, currency or reservation than ours, and are given back',
  labelNames: ['mismatch'],
  registers: [registry],
})

/**
 * The one way in which anything we learn of an intent is recorded, wherever it was learnt: a webhook, the answer to a call,
 * a look at Stripe. Under the payment's lock, so the same news from two sides is told once.
 */
export async function recordIntent(
  tx: Tx,
  payment: Payment,
  seen: SeenIntent,
  source: { eventAt?: Date } = {},
): Promise<Sighting> {
  const intents = await intentsOf(tx, payment)
  const known = intents.find(({ id }) => id === seen.id)
  const { eventAt = null } = source
  // Events come in any order: an older one than the last moves nothing, unless it says that money has come.
  const isStale = known?.eventAt && eventAt && eventAt < known.eventAt && seen.status !== 'succeeded'
  if (isStale) return { means: 'nothing' }
  const others = intents.filter((intent) => intent !== known)
  const sighting = whenIntentSeen(payment, known, others, seen)
  const facts = { ...factsOf(known, seen), eventAt }
  switch (sighting.means) {
    case 'nothing':
      await orderWhatIsNew(tx, payment, known, seen)
      break
    case 'captured':
      await saveIntent(tx, payment, { ...facts, capturedAt: new Date() })
      await noteMoney(tx, payment)
      await tellCapture(tx, payment, seen.id)
      // What is open beside it is cancelled, or found to be paid as well, and given back.
      if (others.some(isOpen)) await setClosing(tx, payment, 0)
      await orderWhatFollows(tx, payment, seen)
      await orderWhatIsNew(tx, payment, known, seen)
      break
    case 'mismatched':
      await saveIntent(tx, payment, { ...facts, mismatch: sighting.mismatch })
      mismatches.inc({ mismatch: sighting.mismatch })
      // Given back in full, once.
      if (await decideRefund(tx, seen.id, 'mismatch'))
        await tx.order({
          operation: 'refunds.create',
          reservationId: payment.reservationId,
          paymentIntentId: seen.id,
          cause: 'mismatch',
          round: 0,
        })
      break
    case 'canceled':
      await saveIntent(tx, payment, { ...facts, status: 'canceled' })
      break
    case 'moved':
      await saveIntent(tx, payment, { ...facts, progress: sighting.progress })
      if (sighting.tell) await tellProgress(tx, payment, seen, sighting.progress)
      break
  }
  return sighting
}

/** Records what Stripe says of an intent of ours. Undefined when it is not on record. */
export async function recordSeen(calls: StripeCalls, seen: SeenIntent): Promise<Sighting | undefined> {
  return calls.transact(async (tx) => {
    const payment = await lockPaymentOfIntent(tx, seen.id)
    return payment && recordIntent(tx, payment, seen)
  })
}

/** Records what came of a call on an intent. */
export async function recordResult(tx: Tx, reservationId: string, seen: SeenIntent): Promise<void> {
  const payment = await lockPayment(tx, reservationId)
  if (!payment) throw new Error(`there is no payment for the reservation ${reservationId}`)
  await recordIntent(tx, payment, seen)
}

/** Says what was captured, the first time or again: who hears it knows it by its intent. */
export async function tellCapture(tx: Tx, payment: Payment, intentId: string): Promise<void> {
  const intent = (await intentsOf(tx, payment)).find(({ id }) => id === intentId)
  const capture = intent && captureOf(payment, intent)
  if (capture) tx.say(send(PaymentCaptured, capture))
}

async function tellProgress(tx: Tx, payment: Payment, seen: SeenIntent, status: Progress): Promise<void> {
  const revision = await nextRevision(tx, payment)
  const { reservationId } = payment
  const declineCode = status === 'failed' ? seen.declineCode : null
  tx.say(send(PaymentProgressed, { reservationId, paymentIntentId: seen.id, status, declineCode, revision }))
}

function factsOf(known: Intent | undefined, seen: SeenIntent): IntentFacts {
  return {
    id: seen.id,
    attempt: known?.attempt ?? seen.attempt ?? 1,
    clientSecret: seen.clientSecret,
    status: seen.status,
    progress: known?.progress ?? 'unpaid',
    actionType: seen.actionType,
    declineCode: seen.declineCode,
    chargeId: seen.chargeId,
    amountReceivedMinor: seen.amountReceivedMinor,
    currency: seen.currency,
    capturedAt: null,
    mismatch: null,
    eventAt: null,
  }
}

/** The card that was to be kept is read and kept, outside this transaction. */
async function orderWhatFollows(tx: Tx, payment: Payment, seen: SeenIntent): Promise<void> {
  const { userId } = payment
  if (!seen.savesCard || !seen.stripeMethodId || !seen.customer || userId === null) return
  await tx.order({ operation: 'payment_methods.retrieve', userId, stripeMethodId: seen.stripeMethodId })
}

/** Money may have gone back without our knowing. Again: another refund may be as large as one that has failed since. */
async function orderWhatIsNew(tx: Tx, payment: Payment, known: Intent | undefined, seen: SeenIntent): Promise<void> {
  const { amountRefundedMinor } = seen
  if (amountRefundedMinor === null || amountRefundedMinor === (known?.amountRefundedMinor ?? 0)) return
  const because = `seen:${amountRefundedMinor}`
  const { reservationId } = payment
  await tx.order({ operation: 'refunds.list', reservationId, paymentIntentId: seen.id, because }, { again: true })
}
