import { ReadPayments, ReadPaymentTraffic } from '@holdfast/contracts/messages/payment'
import { answer } from '@holdfast/messaging/handler'
import { startLoop } from '@holdfast/runtime/loop'
import { startService } from '@holdfast/service/service'
import { auditMoney } from './audit.ts'
import { closePayment, createCloser } from './close-payment.ts'
import type { Settings } from './config.ts'
import { createCustomers, customerOperations } from './customers.ts'
import { readPayments, readPaymentTraffic } from './facts.ts'
import { intentOperations } from './intent-calls.ts'
import { methodOperations } from './keep-card.ts'
import { createLanes } from './lanes.ts'
import { serveMethods } from './methods.ts'
import { openPayment } from './open-payment.ts'
import { pollPayment } from './poll.ts'
import { readPayment } from './read-payment.ts'
import { startReconciling } from './reconcile.ts'
import { refundOperations, refundPayment } from './refund.ts'
import { settlePayment } from './settle-payment.ts'
import { openStripe } from './stripe.ts'
import { createStripeCalls } from './stripe-calls.ts'
import { serveWebhook } from './webhook.ts'

/** The payment service on one page: what it serves, hears, answers and does by itself. */
export function startPayment(settings: Settings) {
  return startService({
    name: 'payment',
    settings,
    migrations: new URL('../migrations', import.meta.url),
    assemble: (parts) => {
      const { database, messaging, reads, logger } = parts
      const stripe = openStripe(settings)
      const lanes = createLanes()
      const operations = {
        ...intentOperations(stripe),
        ...refundOperations(stripe, logger),
        ...customerOperations(stripe),
        ...methodOperations(stripe),
      }
      const calls = createStripeCalls({ database, messaging, logger, operations, nudge: () => reconciling.nudge() })
      const customers = createCustomers(database, calls)
      const closeNow = createCloser({ database, calls, lanes, logger })
      const everyMs = settings.RECONCILE_SECONDS * 1_000
      const reconciling = startReconciling({ database, calls, closeNow, lanes, logger, everyMs })
      const auditing = startLoop('asking whether money was heard of', everyMs, logger, () =>
        auditMoney(parts, settings.MONEY_AUDIT_GRACE_SECONDS),
      )
      const stripeParts = { database, calls, stripe }

      serveMethods(parts.serve, { ...stripeParts, reads, customers })
      serveWebhook(parts, stripeParts)

      return {
        answers: [
          openPayment({ stripe, calls, customers, lanes }),
          settlePayment(stripeParts),
          readPayment(stripeParts),
          answer(ReadPayments, (which) => readPayments(database, which)),
          answer(ReadPaymentTraffic, ({ reservationId }) => readPaymentTraffic(database, reservationId)),
        ],
        handlers: [
          closePayment(calls, closeNow),
          refundPayment(calls, logger),
          pollPayment({ ...stripeParts, logger }),
        ],
        loops: [...reconciling.loops, auditing, { stop: async () => stripe.close(), nudge: () => {} }],
      }
    },
  })
}
