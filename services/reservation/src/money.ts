import type { MoneyFacts } from '@holdfast/contracts/messages/reservation'
import type { Messaging } from '@holdfast/messaging/messaging'
import { whenPaymentRefunded, whenRefundFailed } from './booking-refunds.ts'
import { whenPaymentCaptured } from './booking-saga.ts'
import { newReference } from './reference.ts'
import type { Reservation, Step } from './reservation.ts'
import { advance, type Seen } from './store.ts'
import type { WakeSettings } from './wake.ts'

/**
 * Applies what payment has on record and this reservation has missed: a message may be lost with its broker, a row is not.
 * What the saga makes of a fact says whether it is news, so what was heard before costs nothing here.
 */
export async function hearMoney(
  { transact }: Pick<Messaging, 'transact'>,
  reservation: Seen,
  facts: MoneyFacts,
  wake: WakeSettings,
): Promise<Seen> {
  let seen = reservation
  for (const decide of decisionsOf(facts))
    if (decide(seen).reservation !== seen) seen = await transact((tx) => advance(tx, seen.id, wake, decide))
  return seen
}

export function decisionsOf({ captures, returned, failed }: MoneyFacts): ((reservation: Reservation) => Step)[] {
  const captured = captures.map((capture) => (r: Reservation) => whenPaymentCaptured(r, capture, newReference()))
  return [
    ...captured,
    ...returned.map((one) => (r: Reservation) => whenPaymentRefunded(r, one)),
    ...failed.map((one) => (r: Reservation) => whenRefundFailed(r, one)),
    // Again: what somebody else had given back of a second payment, and a bank has sent back, is owed by us now.
    ...captured,
  ]
}
