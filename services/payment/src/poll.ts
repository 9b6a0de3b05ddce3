import { PollPayment } from '@holdfast/contracts/messages/payment'
import type { Database } from '@holdfast/db/database'
import { task } from '@holdfast/messaging/handler'
import { isCaptured, isOpen } from './payment.ts'
import { recordSeen, tellCapture } from './record-intent.ts'
import { findPayment, intentsOf } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import { orUnavailable } from './stripe-problem.ts'

/** Asks Stripe about the intents that could have been paid without our hearing of it, and says again which were paid. */
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
    const intents = await intentsOf(database, payment)
    // Whoever still asks has missed what was said. Those who have not know it by its id.
    await calls.transact(async (tx) => {
      for (const intent of intents.filter(isCaptured)) await tellCapture(tx, payment, intent.id)
    })
    for (const intent of intents.filter(isOpen))
      await recordSeen(calls, await orUnavailable(stripe.retrieveIntent(intent.id)))
  })
}
