import { PollPayment } from '@holdfast/contracts/messages/payment'
import type { Database } from '@holdfast/db/database'
import { task } from '@holdfast/messaging/handler'
import { isOpen } from './payment.ts'
import { recordSeen } from './record-intent.ts'
import { findPayment, intentsOf } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import { orUnavailable } from './stripe-problem.ts'

/** Asks Stripe about the intents that could have been paid without our hearing of it. */
export function pollPayment({
  database,
  calls,
  stripe,
}: {
  database: Database
  calls: StripeCalls
  stripe: StripeDoor
}) {
  return task(PollPayment, async ({ reservationId }) => {
    const payment = await findPayment(database, reservationId)
    if (!payment) return
    for (const intent of (await intentsOf(database, payment)).filter(isOpen))
      await recordSeen(calls, await orUnavailable(stripe.retrieveIntent(intent.id)))
  })
}
