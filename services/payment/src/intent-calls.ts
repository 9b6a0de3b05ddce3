import { forgetCustomer } from './customers.ts'
import type { SeenIntent } from './payment.ts'
import { recordResult } from './record-intent.ts'
import { forgetIntent } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { Operations, Tx } from './stripe-calls.ts'
import { isCustomerGone, type StripeProblem } from './stripe-problem.ts'
import type { WorkOf } from './work.ts'

type OnIntents = `payment_intents.${'create' | 'update' | 'confirm' | 'cancel'}`

/** Stripe takes at most this much. */
const longestDescription = 1_000

/** What we do to intents, and what each answer means for our record. */
export function intentOperations(stripe: StripeDoor): Pick<Operations, OnIntents> {
  const done = (tx: Tx, work: { reservationId: string }, seen: SeenIntent) => recordResult(tx, work.reservationId, seen)
  /** A refusal that shows the intent is news about it: a decline, or that it was paid or cancelled meanwhile. */
  const refused = async (tx: Tx, work: { reservationId: string }, { intent }: StripeProblem) => {
    if (intent) await recordResult(tx, work.reservationId, intent)
    return 'failed' as const
  }
  type ForCustomer = { reservationId: string; customer: string | null }
  const refusedForCustomer = async (tx: Tx, work: ForCustomer, problem: StripeProblem) => {
    if (work.customer !== null && isCustomerGone(problem.problem)) await forgetCustomer(tx, work.customer)
    return refused(tx, work, problem)
  }
  return {
    'payment_intents.create': {
      call: (work, key) => stripe.createIntent(creation(work), key),
      done,
      refused: refusedForCustomer,
    },
    'payment_intents.update': {
      call: ({ paymentIntentId, customer, savesCard }, key) =>
        stripe.updateIntent(
          paymentIntentId,
          { ...(customer !== null && { customer }), setup_future_usage: savesCard ? 'on_session' : '' },
          key,
        ),
      done,
      refused: refusedForCustomer,
    },
    'payment_intents.confirm': {
      call: ({ paymentIntentId, stripeMethodId }, key) =>
        stripe.confirmIntent(paymentIntentId, { payment_method: stripeMethodId }, key),
      done,
      refused,
    },
    'payment_intents.cancel': {
      call: ({ paymentIntentId }, key) => stripe.cancelIntent(paymentIntentId, key),
      done,
      refused: async (tx, work, problem) => {
        // What Stripe does not know nobody can pay.
        if (problem.problem.kind === 'not_found') await forgetIntent(tx, work.paymentIntentId)
        return refused(tx, work, problem)
      },
    },
  }
}

function creation(work: WorkOf<'payment_intents.create'>) {
  const { reservationId, attempt, traceparent, customer, savesCard } = work
  return {
    amount: work.amountMinor,
    currency: work.currency,
    description: work.description.slice(0, longestDescription),
    // Cards only as far as redirects go: Stripe.js and the server may both confirm, without a return_url.
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' as const },
    ...(customer !== null && { customer }),
    ...(savesCard && { setup_future_usage: 'on_session' as const }),
    metadata: { reservationId, attempt: String(attempt), ...(traceparent !== null && { traceparent }) },
  }
}
