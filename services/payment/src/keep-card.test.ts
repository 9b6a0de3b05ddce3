import { test } from '@jest/globals'
import { methodOperations } from './keep-card.ts'
import type { StripeDoor } from './stripe.ts'
import type { Tx } from './stripe-calls.ts'

test('a saved payment method that is no card is left at Stripe, and is the end of its call', async () => {
  const { 'payment_methods.retrieve': retrieve } = methodOperations({} as StripeDoor)
  const work = { operation: 'payment_methods.retrieve', userId: 'user-1', stripeMethodId: 'pm_link' } as const
  // Nothing is looked up and nothing is written: there is no transaction to do it in.
  await retrieve.done({} as Tx, work, { id: 'pm_link', customer: 'cus_1', card: null })
})
