import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { send } from '@holdfast/contracts/message'
import { ClosePayment, PaymentClosed } from '@holdfast/contracts/messages/payment'
import type { Database } from '@holdfast/db/database'
import { task } from '@holdfast/messaging/handler'
import type { Logger } from '@holdfast/runtime/logger'
import type { Lanes } from './lanes.ts'
import { isCaptured, isOpen } from './payment.ts'
import { tellCapture } from './record-intent.ts'
import {
  insertPaymentIfNew,
  intentsOf,
  lockPayment,
  setClosed,
  setClosing,
  tryClosingAgain,
  tryClosingLater,
} from './store.ts'
import { abandonCall, type Call, pendingCallOf, type StripeCalls, type Tx, writeCall } from './stripe-calls.ts'
import { isForbidden } from './stripe-problem.ts'

/** One call cancels an intent; another may have to be settled before it. */
const stepLimit = 6
/** Whoever orders it begins at once; did he die, the reconciler goes on. */
const leaseSeconds = 5
/** How soon a Stripe that was away is asked again: that it is back is noticed within ten seconds, the breaker's wait included. */
const againSeconds = 1.5

export type CloseNow = (reservationId: string) => Promise<void>

/** Takes a payment that is being closed as far as it goes; what stands in the way is tried again by the reconciler. */
export function createCloser(parts: {
  database: Database
  calls: StripeCalls
  lanes: Lanes
  logger: Logger
}): CloseNow {
  const { calls, database, logger } = parts

  /** What it waits for; undefined when it is closed. */
  async function close(reservationId: string): Promise<string | undefined> {
    const refused = new Set<string>()
    for (let steps = 0; steps < stepLimit; steps += 1) {
      const next = await calls.transact((tx) => finishOrCall(tx, reservationId, refused))
      if (!next) return undefined
      if ('waitsFor' in next) return next.waitsFor
      const { call } = next
      const outcome = await calls.perform(call)
      if (!outcome.ok && 'paymentIntentId' in call.work) refused.add(call.work.paymentIntentId)
    }
    throw new Unavailable('the payment keeps changing')
  }

  return async (reservationId) => {
    try {
      const waitsFor = await parts.lanes(reservationId, () => close(reservationId))
      if (waitsFor === undefined) return
      logger.warn({ reservationId, reason: waitsFor }, 'a payment cannot be closed yet')
      await tryClosingLater(database, reservationId)
    } catch (error) {
      // Never deferred as a message: a Stripe that is away for an hour must not make a dead letter of it.
      logger.warn({ reservationId, reason: reasonOf(error) }, 'a payment cannot be closed yet')
      if (error instanceof Unavailable && !isForbidden(error.cause))
        await tryClosingAgain(database, reservationId, againSeconds)
      else await tryClosingLater(database, reservationId)
    }
  }
}

/**
 * The wish is committed first: from then on nothing is opened for this reservation. Asked again, it says again what came
 * of it.
 */
export function closePayment(calls: StripeCalls, closeNow: CloseNow) {
  return task(ClosePayment, async ({ reservationId }) => {
    await calls.transact(async (tx) => {
      // Never opened: a tombstone, so that an attempt which comes late finds it closed.
      await insertPaymentIfNew(tx, { reservationId, userId: null, amountMinor: null, currency: null, state: 'closed' })
      const payment = await lockPayment(tx, reservationId)
      if (payment) await setClosing(tx, payment, leaseSeconds)
    })
    await closeNow(reservationId)
  })
}

type Next = { readonly call: Call } | { readonly waitsFor: string }

/** The next call on the way to closed; undefined when the payment is closed, and that has been said. */
async function finishOrCall(tx: Tx, reservationId: string, refused: ReadonlySet<string>): Promise<Next | undefined> {
  const payment = await lockPayment(tx, reservationId)
  if (!payment) throw new Error(`there is no payment for the reservation ${reservationId}`)
  const pending = await pendingCallOf(tx, reservationId)
  switch (pending?.work.operation) {
    case 'payment_intents.create':
    case 'payment_intents.cancel':
      // An intent that may have been made is found by making it again.
      return { call: pending }
    case 'payment_intents.confirm':
    case 'payment_intents.update':
      // Not repeated, for nobody is to be charged any more. Did it arrive, cancelling will find what it did.
      await abandonCall(tx, pending)
      break
    default:
  }
  const intents = await intentsOf(tx, payment)
  const open = intents.find(isOpen)
  // Refused, but neither paid nor cancelled: the bank has not decided yet.
  if (open && refused.has(open.id)) return { waitsFor: `${open.id} is ${open.status}` }
  if (open) {
    const work = { operation: 'payment_intents.cancel', reservationId, paymentIntentId: open.id } as const
    return { call: await writeCall(tx, work, { again: true }) }
  }
  await setClosed(tx, payment)
  const captured = intents.filter(isCaptured)
  for (const intent of captured) await tellCapture(tx, payment, intent.id)
  if (captured.length === 0) tx.say(send(PaymentClosed, { reservationId }))
  return undefined
}
