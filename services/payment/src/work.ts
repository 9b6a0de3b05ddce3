import { z } from 'zod'

/**
 * Everything we have Stripe do, as data that can be written down before it is done and taken up again by any process. The
 * same work has the same key; no secret and no card data is in it.
 */

const reservationId = z.string()
const paymentIntentId = z.string()
const userId = z.string()
const stripeMethodId = z.string()
const cause = z.enum(['late', 'duplicate', 'mismatch'])
const attempt = z.int()

const shapes = [
  z.object({
    operation: z.literal('payment_intents.create'),
    reservationId,
    attempt,
    amountMinor: z.int(),
    currency: z.string(),
    description: z.string(),
    customer: z.string().nullable(),
    savesCard: z.boolean(),
    traceparent: z.string().nullable(),
  }),
  z.object({
    operation: z.literal('payment_intents.update'),
    reservationId,
    attempt,
    paymentIntentId,
    customer: z.string().nullable(),
    savesCard: z.boolean(),
  }),
  z.object({
    operation: z.literal('payment_intents.confirm'),
    reservationId,
    attempt,
    paymentIntentId,
    stripeMethodId,
  }),
  z.object({ operation: z.literal('payment_intents.cancel'), reservationId, paymentIntentId }),
  /** `round` counts what failed before: a refund that the bank sends back is made anew, as another call. */
  z.object({
    operation: z.literal('refunds.create'),
    reservationId,
    paymentIntentId,
    cause,
    round: z.int().default(0),
  }),
  /** Reading, in answer to an event: `because` tells one reading from another. */
  z.object({ operation: z.literal('refunds.list'), reservationId, paymentIntentId, because: z.string() }),
  z.object({ operation: z.literal('customers.create'), userId }),
  z.object({ operation: z.literal('payment_methods.attach'), userId, stripeMethodId, customer: z.string() }),
  z.object({ operation: z.literal('payment_methods.detach'), userId, stripeMethodId }),
  /** A card that has paid and was to be saved: reads it and keeps it. */
  z.object({ operation: z.literal('payment_methods.retrieve'), userId, stripeMethodId }),
] as const

export const Work = z.discriminatedUnion('operation', shapes)
export type Work = z.infer<typeof Work>
export type OperationName = Work['operation']
export type WorkOf<Name extends OperationName> = Extract<Work, { operation: Name }>

export function keyOf(work: Work): string {
  switch (work.operation) {
    case 'payment_intents.create':
      return `reservation:${work.reservationId}:${work.attempt}`
    case 'payment_intents.update':
      return `reservation:${work.reservationId}:${work.attempt}:update`
    case 'payment_intents.confirm':
      return confirmKey(work.reservationId, work.attempt)
    case 'payment_intents.cancel':
      return `reservation:${work.reservationId}:cancel:${work.paymentIntentId}`
    case 'refunds.create':
      return `refund:${work.cause}:${work.paymentIntentId}${work.round === 0 ? '' : `:${work.round}`}`
    case 'refunds.list':
      return `refunds:${work.paymentIntentId}:${work.because}`
    case 'customers.create':
      return `customer:${work.userId}`
    case 'payment_methods.attach':
      return `method:${work.stripeMethodId}:attach:${work.customer}`
    case 'payment_methods.detach':
      return `method:${work.stripeMethodId}:detach`
    case 'payment_methods.retrieve':
      return `method:${work.stripeMethodId}:keep`
  }
}

export const confirmKey = (reservationId: string, attempt: number) => `reservation:${reservationId}:${attempt}:confirm`
