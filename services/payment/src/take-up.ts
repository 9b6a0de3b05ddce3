import type { Database } from '@holdfast/db/database'
import type { Lanes } from './lanes.ts'
import { findPayment } from './store.ts'
import type { Call, StripeCalls } from './stripe-calls.ts'
import type { Work } from './work.ts'

/** Takes up a call that somebody has left behind. Throws `Unavailable` while what became of it is not known. */
export type TakeUp = (call: Call) => Promise<void>

export function createTakeUp(parts: { database: Database; calls: StripeCalls; lanes: Lanes }): TakeUp {
  const { database, calls, lanes } = parts

  /** A charge that closing the payment puts an end to: nobody is to pay any more, or somebody has. */
  async function isCalledOff(work: Work): Promise<boolean> {
    if (work.operation !== 'payment_intents.confirm') return false
    return (await findPayment(database, work.reservationId))?.state !== 'open'
  }

  return async (call) => {
    const { work } = call
    const perform = async () => {
      if (!(await isCalledOff(work))) await calls.perform(call)
    }
    const isOnIntent = work.operation.startsWith('payment_intents.') && 'reservationId' in work
    await (isOnIntent ? lanes(work.reservationId, perform) : perform())
  }
}
