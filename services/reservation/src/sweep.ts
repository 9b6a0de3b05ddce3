import { Unavailable } from '@holdfast/contracts/errors'
import { type Database, statement } from '@holdfast/db/database'
import type { Messaging } from '@holdfast/messaging/messaging'
import type { Logger } from '@holdfast/runtime/logger'
import { type Loop, startLoop } from '@holdfast/runtime/loop'
import { outstanding } from './booking-commands.ts'
import { whenDue } from './booking-saga.ts'
import { lockReservation, write } from './store.ts'
import { pollDue, type WakeSettings } from './wake.ts'

/**
 * Behind all timers and messages: every second, the rows whose time has come. It expires what is due, says again what was
 * not answered, and has Stripe asked about payments nobody has heard of.
 */

const batch = 100

/** Several instances share the work: a row that one has taken is out of sight for the others for five seconds. */
const claim = statement<{ id: string }>(
  'sweep.claim',
  `update reservation set wake_at = clock_timestamp() + interval '5 seconds'
   where id in (
     select id from reservation where wake_at <= clock_timestamp() order by wake_at limit ${batch} for update skip locked
   )
   returning id`,
)

export function startSweep(
  parts: { database: Database; messaging: Messaging; logger: Logger },
  everyMs: number,
  settings: WakeSettings,
): Loop {
  return startLoop('the sweep', everyMs, parts.logger, async () => {
    const rows = await parts.database.many(claim)
    const results = await Promise.allSettled(rows.map(({ id }) => wake(parts.messaging, id, settings)))
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      // Its time comes again in five seconds.
      const isAway = result.reason instanceof Unavailable
      parts.logger[isAway ? 'warn' : 'error']({ err: result.reason }, 'a reservation could not be woken')
    }
    return rows.length === batch
  })
}

/** Looks at one reservation as it is now, and does whatever its time has come for. */
export function wake(
  messaging: Pick<Messaging, 'transact'>,
  reservationId: string,
  settings: WakeSettings,
): Promise<void> {
  return messaging.transact(async (tx) => {
    const before = await lockReservation(tx, reservationId)
    if (!before) return
    const due = whenDue(before, before.now, settings.closeDeadlineMs)
    if (due.reservation !== before) return write(tx, before, due, settings)
    const poll = pollDue(before, before.now, settings)
    if (poll) {
      tx.say(poll)
      return write(tx, before, { reservation: { ...before, pollRound: before.pollRound + 1 } }, settings)
    }
    const unanswered = outstanding(before)
    tx.say(...unanswered)
    const repeats = unanswered.length > 0 ? before.repeats + 1 : before.repeats
    return write(tx, before, { reservation: { ...before, repeats } }, settings)
  })
}
