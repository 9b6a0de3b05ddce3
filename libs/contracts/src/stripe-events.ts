/** The events that payment listens to, by what they are about: those that the endpoint at Stripe has to be told of. */
export const stripeEvents = {
  intents: [
    'payment_intent.succeeded',
    'payment_intent.payment_failed',
    'payment_intent.canceled',
    'payment_intent.requires_action',
    'payment_intent.processing',
  ],
  refunds: ['charge.refunded', 'refund.updated', 'refund.failed'],
  customers: ['customer.deleted'],
} as const satisfies Record<string, readonly string[]>
