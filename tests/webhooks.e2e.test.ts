import { describe } from '@jest/globals'
import { stackOfThisFile } from './support/stack.ts'
import { deliveries } from './webhooks/deliveries.ts'
import { money } from './webhooks/money.ts'
import { signatures } from './webhooks/signatures.ts'

/** What Stripe tells us: forged, twice, in the wrong order, too early, too late or never; and what becomes of the money. */
const stack = stackOfThisFile({
  reservation: {
    // After that the seats go free, whether or not Stripe has cancelled the payment.
    CLOSE_DEADLINE_SECONDS: '1',
    PAYMENT_POLL_SECONDS: '3,5',
  },
  // Longer than Stripe is told to take over cancelling.
  payment: { STRIPE_TIMEOUT_SECONDS: '10' },
})

describe('signatures', () => signatures(stack))
describe('deliveries', () => deliveries(stack))
describe('money', () => money(stack))
