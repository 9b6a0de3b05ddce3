import { reasonOf } from '@holdfast/contracts/errors'
import { PollPayment } from '@holdfast/contracts/messages/payment'
import type { Database } from '@holdfast/db/database'
import { task } from '@holdfast/messaging/handler'
import type { Logger } from '@holdfast/runtime/logger'
import { isCaptured, isOpen } from './payment.ts'
import { recordSeen, tellCapture } from './record-intent.ts'
import { findPayment, intentsOf } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import { isUnknown } from './stripe-problem.ts'

/** Asks Stripe about the intents that could have been paid without our hearing of it, and says again which were paid. */
export function pollPayment({
  database,
  calls,
  stripe,
  logger,
}: {
  database: Database
  calls: StripeCalls
  stripe: StripeDoor
  logger: Logger
}) {
  return task(PollPayment, async ({ reservationId }) => {
    const payment = await findPayment(database, reservationId)
    if (!payment) return
    const intents = await intentsOf(database, payment)
    // Whoever still asks has missed what was said. Those who have not know it by its id.
    await calls.transact(async (tx) => {
      for (const intent of intents.filter(isCaptured)) await tellCapture(tx, payment, intent.id)
    })
    try {
      for (const intent of intents.filter(isOpen)) await recordSeen(calls, await stripe.retrieveIntent(intent.id))
    } catch (error) {
      // The library has asked twice. The next round asks again, and closing in any case: a Stripe that is away for an hour must
      // not make a dead letter of it.
      if (!isUnknown(error)) throw error
      logger.warn({ reservationId, reason: reasonOf(error) }, 'Stripe could not be asked')
    }
  })
}
