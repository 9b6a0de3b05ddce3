import { stackOfThisFile } from './support/stack.ts'
import { deliveries } from './webhooks/deliveries.ts'
import { money } from './webhooks/money.ts'
import { signatures } from './webhooks/signatures.ts'

/** What Stripe tells us: forged, twice, in the wrong order, too early, too late or never; and what becomes of the money. */
const stack = stackOfThisFile({
  reservation: {
    // Long enough to try cancelling once or twice, then the seats go free.
    CLOSE_DEADLINE_SECONDS: '1',
    PAYMENT_POLL_SECONDS: '3,5',
  },
})

signatures(stack)
deliveries(stack)
money(stack)
