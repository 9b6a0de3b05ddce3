import { ReadPayment } from '@holdfast/contracts/messages/payment'
import type { Database } from '@holdfast/db/database'
import { answer } from '@holdfast/messaging/handler'
import { captureOf, type Intent, isCaptured, isOpen } from './payment.ts'
import { recordSeen } from './record-intent.ts'
import { returnedOf } from './refund.ts'
import { refundsOfPayment } from './refund-store.ts'
import { findPayment, intentsOf } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import { StripeProblem } from './stripe-problem.ts'

/** Guests poll while they wait; Stripe is asked at most this often about an intent. */
const freshMs = 1_500
/** Intents remembered as looked at; the oldest is forgotten beyond that. */
const rememberedLimit = 10_000
/** After that the record is answered with, and what Stripe says is recorded when it comes. */
const patienceMs = 2_500

/** A payment as Stripe has it now, else as it was last seen. What Stripe says is recorded, and told where it is news. */
export function readPayment({
  database,
  calls,
  stripe,
}: {
  database: Database
  calls: StripeCalls
  stripe: StripeDoor
}) {
  const looked = new Map<string, { at: number; done: Promise<void> }>()

  async function look(intentId: string): Promise<void> {
    try {
      await recordSeen(calls, await stripe.retrieveIntent(intentId))
    } catch (error) {
      if (!(error instanceof StripeProblem)) throw error
    }
  }

  /** Questions about the same intent at the same time are one look. */
  function lookOnce(intentId: string): Promise<void> {
    const last = looked.get(intentId)
    if (last && Date.now() - last.at < freshMs) return last.done
    const done = look(intentId)
    looked.delete(intentId)
    looked.set(intentId, { at: Date.now(), done })
    const [oldest] = looked.keys()
    if (looked.size > rememberedLimit && oldest !== undefined) looked.delete(oldest)
    return done
  }

  return answer(ReadPayment, async ({ reservationId }) => {
    const known = await findPayment(database, reservationId)
    const before = known && currentOf(await intentsOf(database, known))
    if (!known) return { payment: null }
    if (before && before.status !== 'canceled') await within(patienceMs, lookOnce(before.id))
    const payment = (await findPayment(database, reservationId)) ?? known
    const intents = await intentsOf(database, payment)
    const current = currentOf(intents)
    const made = await refundsOfPayment(database, payment.id)
    const returned = intents.flatMap((intent) => returnedOf(payment, intent, made))
    const refunds = returned.map(({ refund }) => refund)
    return {
      payment: {
        paymentIntentId: current?.id ?? null,
        stripeStatus: current?.status ?? null,
        requiresAction: current?.status === 'requires_action',
        actionType: current?.actionType ?? null,
        amountRefunded: refunds.reduce((sum, refund) => sum + refund.amount, 0),
        refunds,
        captures: intents.map((intent) => captureOf(payment, intent)).filter((capture) => capture !== undefined),
        returned,
      },
    }
  })
}

/** The one that was paid, else the one that the guest may pay, else the latest: not what somebody has paid otherwise than asked. */
const currentOf = (intents: readonly Intent[]) =>
  intents.find(isCaptured) ??
  intents.find(isOpen) ??
  intents.findLast(({ mismatch }) => mismatch === null) ??
  intents.at(-1)

async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
