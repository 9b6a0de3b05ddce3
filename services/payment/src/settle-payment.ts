import { SettlePayment } from '@holdfast/contracts/messages/payment'
import type { Database } from '@holdfast/db/database'
import { answer } from '@holdfast/messaging/handler'
import { captureOf, type Intent, type Payment } from './payment.ts'
import { recordSeen } from './record-intent.ts'
import { findPayment, intentsOf } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import { isUnknown } from './stripe-problem.ts'

/** Reads one intent of a reservation from Stripe; if it was paid, that is recorded, and told. */
export function settlePayment({
  database,
  calls,
  stripe,
}: {
  database: Database
  calls: StripeCalls
  stripe: StripeDoor
}) {
  async function find(reservationId: string, intentId: string) {
    const payment = await findPayment(database, reservationId)
    const intent = payment && (await intentsOf(database, payment)).find(({ id }) => id === intentId)
    return intent && { payment, intent }
  }

  return answer(SettlePayment, async ({ reservationId, paymentIntentId }) => {
    const known = await find(reservationId, paymentIntentId)
    // Nobody's intent but this reservation's is looked at.
    if (!known) return { outcome: 'rejected' as const, reason: 'unknown_intent' }
    if (known.intent.status !== 'succeeded') {
      try {
        await recordSeen(calls, await stripe.retrieveIntent(paymentIntentId))
      } catch (error) {
        if (isUnknown(error)) return { outcome: 'unavailable' as const, reason: error.message }
        throw error
      }
    }
    const { payment, intent } = (await find(reservationId, paymentIntentId)) ?? known
    return settled(payment, intent)
  })
}

function settled(payment: Payment, intent: Intent) {
  const capture = captureOf(payment, intent)
  if (capture) return { outcome: 'captured' as const, capture }
  if (intent.mismatch) return { outcome: 'rejected' as const, reason: `${intent.mismatch}_mismatch` }
  return { outcome: 'not_paid' as const, stripeStatus: intent.status }
}
