import { forgetCustomer } from './customers.ts'
import { finishEvent, insertEvent, knowsEvent, lockParkedEvent, parkEventAgain, type Subject } from './event-store.ts'
import { recordIntent } from './record-intent.ts'
import { lockPayment, lockPaymentOfIntent, tryClosingNow } from './store.ts'
import type { StripeCalls, Tx } from './stripe-calls.ts'

/**
 * What becomes of Stripe's events. Each is stored once, with its effect. What needs a call to Stripe is ordered in the same
 * transaction; what is about an intent that we do not know yet is parked.
 */

/** Without a subject it is about nothing of ours. */
export async function takeEvent(
  tx: Tx,
  event: { readonly id: string; readonly type: string },
  subject: Subject | undefined,
): Promise<void> {
  if (await knowsEvent(tx, event.id)) return
  const state = subject ? await apply(tx, event.id, subject) : 'ignored'
  // Two deliveries at the same time: the effect is harmless twice, the row is there once.
  await insertEvent(tx, event, state, subject)
}

/** Tries the parked event that is due; says whether there was one. */
export async function takeParkedEvent(calls: StripeCalls): Promise<boolean> {
  return calls.transact(async (tx) => {
    const event = await lockParkedEvent(tx)
    if (!event) return false
    if ((await apply(tx, event.id, event.subject)) === 'done') await finishEvent(tx, event.id)
    else await parkEventAgain(tx, event.id)
    return true
  })
}

async function apply(tx: Tx, eventId: string, subject: Subject): Promise<'done' | 'parked'> {
  if (subject.about === 'intent') return applyIntent(tx, subject)
  if (subject.about === 'customer') {
    await forgetCustomer(tx, subject.customer)
    return 'done'
  }
  const { paymentIntentId } = subject
  const payment = await lockPaymentOfIntent(tx, paymentIntentId)
  if (!payment) return 'parked'
  const { reservationId } = payment
  await tx.order({ operation: 'refunds.list', reservationId, paymentIntentId, because: eventId })
  return 'done'
}

async function applyIntent(tx: Tx, { intent, createdAt }: Subject & { about: 'intent' }): Promise<'done' | 'parked'> {
  const known = await lockPaymentOfIntent(tx, intent.id)
  if (known) {
    const { means } = await recordIntent(tx, known, intent, { eventAt: new Date(createdAt) })
    if (means !== 'nothing') await tryClosingNow(tx, known)
    return 'done'
  }
  // Made for one of our reservations, by a call whose answer never reached us.
  const payment = intent.reservationId === null ? undefined : await lockPayment(tx, intent.reservationId)
  if (!payment) return 'parked'
  // The call will be repeated and will find it as it then is. Money does not wait for that.
  if (intent.status === 'succeeded') await recordIntent(tx, payment, intent, { eventAt: new Date(createdAt) })
  return 'done'
}
