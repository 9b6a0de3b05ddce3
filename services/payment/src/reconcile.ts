import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { type Database, statement } from '@holdfast/db/database'
import { childTraceparent, inContext } from '@holdfast/runtime/context'
import type { Logger } from '@holdfast/runtime/logger'
import { type Loop, startLoop } from '@holdfast/runtime/loop'
import { Gauge, registry } from '@holdfast/runtime/metrics'
import type { CloseNow } from './close-payment.ts'
import { cleanEvents, parkedEvents } from './event-store.ts'
import type { Lanes } from './lanes.ts'
import { takePaymentsToClose } from './store.ts'
import { asCall, type Call, type StripeCalls } from './stripe-calls.ts'
import { takeParkedEvent } from './take-event.ts'
import { createTakeUp } from './take-up.ts'

/** Whatever a crash, a lost answer or an absence of Stripe left undone is taken up here, by any instance. */

/** Calls and closings under way at one time, of each. */
const atOnce = 16
const cleanEveryMs = 60_000

/**
 * A lease of ten seconds: longer than a call takes with its retry. A card that nobody has tried to charge for a minute waits for
 * one lease: its hold may have ended while we were away, and the message that says so is heard first.
 */
const takeDue = statement<Call & { isOld: boolean }>(
  'stripe-call.take-due',
  `with due as (
     select key, operation = 'payment_intents.confirm' and updated_at < now() - interval '1 minute' as is_old
     from stripe_call where state = 'pending' and retry_at <= now() order by retry_at limit ${atOnce}
     for update skip locked
   )
   update stripe_call c set retry_at = now() + interval '10 seconds',
     updated_at = case when is_old then now() else c.updated_at end
   from due where c.key = due.key
   returning c.key, generation, work, state, problem, is_old as "isOld"`,
)
const clean = statement(
  'stripe-call.clean',
  `delete from stripe_call where key in (
     select key from stripe_call
     where state <> 'pending' and updated_at < now() - interval '90 days' limit 1000
   )`,
)

const parked = new Gauge({
  name: 'holdfast_stripe_events_parked',
  help: 'Events about intents that we do not know (yet)',
  registers: [registry],
})

export function startReconciling(parts: {
  database: Database
  calls: StripeCalls
  closeNow: CloseNow
  lanes: Lanes
  logger: Logger
  everyMs: number
}): { loops: Loop[]; nudge: () => void } {
  const { database, calls, logger, everyMs } = parts

  const takeUp = createTakeUp(parts)
  async function take(call: Call): Promise<void> {
    const causationId = `reconcile:${call.key}`
    try {
      await inContext({ traceparent: childTraceparent(), causationId }, () => takeUp(call))
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      logger.warn({ key: call.key, reason: reasonOf(error) }, 'a call to Stripe will be repeated')
    }
  }

  const pending = startLoop('settling calls to Stripe', everyMs, logger, async () => {
    const due = await database.many(takeDue)
    const ends = await Promise.allSettled(due.filter(({ isOld }) => !isOld).map((row) => take(asCall(row))))
    for (const end of ends)
      if (end.status === 'rejected') logger.error({ err: end.reason }, 'a call could not be settled')
    return due.length === atOnce
  })
  const closing = startLoop('closing payments', everyMs, logger, async () => {
    const due = await takePaymentsToClose(database, atOnce)
    await Promise.all(
      due.map(({ reservationId }) => {
        const context = {
          traceparent: childTraceparent(),
          causationId: `reconcile:close:${reservationId}`,
          reservationId,
        }
        return inContext(context, () => parts.closeNow(reservationId))
      }),
    )
    return due.length === atOnce
  })
  const events = startLoop('matching parked events', everyMs, logger, async () => {
    const more = await takeParkedEvent(calls)
    if (!more) parked.set(await parkedEvents(database))
    return more
  })
  const cleaning = startLoop('cleaning events and calls', cleanEveryMs, logger, async () => {
    const moreEvents = await cleanEvents(database)
    return (await database.run(clean)) > 0 || moreEvents
  })
  return { loops: [pending, closing, events, cleaning], nudge: pending.nudge }
}
