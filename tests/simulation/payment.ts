import { Unavailable } from '../../libs/contracts/src/errors.ts'
import { auditMoney } from '../../services/payment/src/audit.ts'
import { closePayment, createCloser } from '../../services/payment/src/close-payment.ts'
import { createCustomers, customerOperations } from '../../services/payment/src/customers.ts'
import { intentOperations } from '../../services/payment/src/intent-calls.ts'
import { createLanes } from '../../services/payment/src/lanes.ts'
import { openPayment } from '../../services/payment/src/open-payment.ts'
import { pollPayment } from '../../services/payment/src/poll.ts'
import { readPayment } from '../../services/payment/src/read-payment.ts'
import { refundOperations, refundPayment } from '../../services/payment/src/refund.ts'
import { settlePayment } from '../../services/payment/src/settle-payment.ts'
import { takePaymentsToClose } from '../../services/payment/src/store.ts'
import { asCall, type Call, createStripeCalls, type Operations } from '../../services/payment/src/stripe-calls.ts'
import { takeEvent, takeParkedEvent } from '../../services/payment/src/take-event.ts'
import { createTakeUp } from '../../services/payment/src/take-up.ts'
import { named, openDatabase, type Server } from './database.ts'
import { openMessaging } from './messaging.ts'
import type { Process } from './process.ts'
import type { StripeEvent } from './stripe.ts'
import { openStripe } from './stripe-door.ts'
import type { PaymentTables } from './tables-payment.ts'
import { graceMs, type World } from './world.ts'

/**
 * One instance of the payment service. Real: its decisions, the ledger of calls, opening, closing, refunding, polling, and
 * recording what was seen, taking events, asking whether money was heard of. Mirrored: the reconciler's loops (reconcile.ts).
 * Cards are not saved here.
 */
export function startPayment(world: World, process: Process, server: Server, tables: PaymentTables) {
  const { logger } = world
  const database = openDatabase(world, process, server)
  const messaging = openMessaging(world, process, 'payment', database, tables.messaging)
  const stripe = openStripe(world, process)
  const lanes = createLanes()
  const operations = { ...intentOperations(stripe), ...refundOperations(stripe, logger), ...customerOperations(stripe) }
  const everything = operations as unknown as Operations
  const nudge = () => settling.nudge()
  const calls = createStripeCalls({ database, messaging, logger, operations: everything, nudge })
  const customers = createCustomers(database, calls)
  const closeNow = createCloser({ database, calls, lanes, logger })
  const stripeParts = { database, calls, stripe, logger }
  const takeUp = createTakeUp({ database, calls, lanes })

  messaging.listen({
    answers: [openPayment({ stripe, calls, customers, lanes }), settlePayment(stripeParts), readPayment(stripeParts)],
    handlers: [closePayment(calls, closeNow), refundPayment(calls, logger), pollPayment(stripeParts)],
  })

  async function take(call: Call): Promise<void> {
    try {
      await takeUp(call)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
  }

  const pending = tables.calls.firstDue(({ state, retryAt }) => (state === 'pending' ? retryAt : null))
  const settling = world.loop(process, 1_000, pending, async () => {
    const due = (await database.many<Call>(named('stripe-call.take-due'))).map(asCall)
    await Promise.allSettled(due.map(take))
    return false
  })
  world.loop(
    process,
    1_000,
    tables.payments.firstDue((row) => row.closeAt),
    async () => {
      const due = await takePaymentsToClose(database, 16)
      await Promise.all(due.map(({ reservationId }) => closeNow(reservationId)))
      return false
    },
  )
  world.loop(
    process,
    1_000,
    tables.events.firstDue((row) => row.retryAt),
    () => takeParkedEvent(calls),
  )

  world.loop(
    process,
    1_000,
    tables.payments.firstDue((row) => row.auditAt && row.auditAt + graceMs),
    () => auditMoney({ database, messaging, logger }, graceMs / 1_000),
  )

  return { takeEvent: (event: StripeEvent) => calls.transact((tx) => takeEvent(tx, event, event.subject)) }
}

export type PaymentService = ReturnType<typeof startPayment>
