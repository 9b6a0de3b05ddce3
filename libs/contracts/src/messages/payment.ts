import { z } from 'zod'
import { PaymentFacts, PaymentTraffic, Which, WhoseTraffic } from '../facts.ts'
import { defineCommand, defineEvent, defineRequest } from '../message.ts'
import { Currency, Id, Refund, Timestamp } from '../values.ts'

/** Stripe's statuses of a PaymentIntent, closed: what we do not know is `unknown` and moves nothing. */
export const StripeStatus = z.enum([
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
  'processing',
  'requires_capture',
  'canceled',
  'succeeded',
  'unknown',
])
export type StripeStatus = z.infer<typeof StripeStatus>

/** Money that was captured for a reservation, with the amount and currency that we asked for. */
export const Capture = z.object({
  reservationId: Id,
  /** Our own id of the payment. */
  paymentId: Id,
  paymentIntentId: z.string(),
  chargeId: z.string(),
  amountMinor: z.int(),
  currency: Currency,
  capturedAt: Timestamp,
})
export type Capture = z.infer<typeof Capture>

/** Money that went back. `amountRefundedMinor` is cumulative over the intent. */
export const Returned = z.object({
  reservationId: Id,
  paymentIntentId: z.string(),
  /** Why we gave it back; `external` when someone else did (a refund made in Stripe's dashboard). */
  cause: z.enum(['late', 'duplicate', 'mismatch', 'external']),
  capturedMinor: z.int(),
  amountRefundedMinor: z.int(),
  refund: Refund,
})
export type Returned = z.infer<typeof Returned>

const Unreachable = z.object({ outcome: z.literal('unavailable'), reason: z.string() })

/**
 * Get a PaymentIntent for this attempt: the one still open, or a new one. With a saved card it is confirmed at once.
 * The same attempt asked again answers as the first time.
 */
export const OpenPayment = defineRequest('payment.open', 1, {
  to: 'payment',
  body: z.object({
    reservationId: Id,
    attempt: z.int().min(1),
    userId: z.string(),
    amountMinor: z.int().min(1),
    currency: Currency,
    /** Our UUID of a saved card, or whatever the client sent in its place. */
    paymentMethodId: z.string().nullable(),
    savePaymentMethod: z.boolean(),
    /** For the guest's bank statement and the operator's Stripe dashboard. */
    description: z.string(),
  }),
  reply: z.discriminatedUnion('outcome', [
    z.object({
      outcome: z.literal('open'),
      paymentIntentId: z.string(),
      clientSecret: z.string(),
      stripeStatus: StripeStatus,
      requiresAction: z.boolean(),
      revision: z.int(),
    }),
    z.object({ outcome: z.literal('captured'), clientSecret: z.string(), capture: Capture }),
    z.object({
      outcome: z.literal('declined'),
      paymentIntentId: z.string(),
      declineCode: z.string(),
      message: z.string(),
      revision: z.int(),
    }),
    /** Stripe refused for another reason (an amount below its minimum, a card that needs another flow). */
    z.object({ outcome: z.literal('failed'), reason: z.string(), message: z.string() }),
    z.object({ outcome: z.literal('method_not_found') }),
    /** The payment was closed for good before this attempt arrived. */
    z.object({ outcome: z.literal('closed') }),
    Unreachable,
  ]),
})

/** Read one intent of a reservation from Stripe, and if it was paid, record that. */
export const SettlePayment = defineRequest('payment.settle', 1, {
  to: 'payment',
  body: z.object({ reservationId: Id, paymentIntentId: z.string() }),
  reply: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('captured'), capture: Capture }),
    z.object({ outcome: z.literal('not_paid'), stripeStatus: StripeStatus }),
    /** Not this reservation's intent, or paid with another amount, currency or metadata than ours. */
    z.object({ outcome: z.literal('rejected'), reason: z.string() }),
    Unreachable,
  ]),
})

/** A reservation's payment as Stripe has it now (at most two seconds old), else as it was last seen. */
export const ReadPayment = defineRequest('payment.read', 1, {
  to: 'payment',
  body: z.object({ reservationId: Id }),
  reply: z.object({
    payment: z
      .object({
        paymentIntentId: z.string().nullable(),
        stripeStatus: StripeStatus.nullable(),
        requiresAction: z.boolean(),
        actionType: z.enum(['redirect_to_url', 'use_stripe_sdk']).nullable(),
        amountRefunded: z.int(),
        refunds: z.array(Refund),
        /** Every capture on record, the first one first: the reservation moves on with what it had missed. */
        captures: z.array(Capture),
        /** Every refund on record that did not fail, as `PaymentRefunded` tells it: heals what was missed likewise. */
        returned: z.array(Returned),
      })
      .nullable(),
  }),
})

/** See to it that no intent of this reservation can capture money any more; say what came of it. */
export const ClosePayment = defineCommand('payment.close', 1, {
  to: 'payment',
  body: z.object({ reservationId: Id, reason: z.enum(['expired', 'released']) }),
  key: (close) => close.reservationId,
})

/** Give all of one captured intent back, once. */
export const RefundPayment = defineCommand('payment.refund', 1, {
  to: 'payment',
  body: z.object({ reservationId: Id, paymentIntentId: z.string(), reason: z.enum(['late', 'duplicate']) }),
  key: (refund) => refund.paymentIntentId,
})

/** Ask Stripe again about the open intents of a reservation: a webhook may have been lost. */
export const PollPayment = defineCommand('payment.poll', 1, {
  to: 'payment',
  body: z.object({ reservationId: Id, round: z.int() }),
  key: (poll) => `${poll.reservationId}:${poll.round}`,
})

export const PaymentCaptured = defineEvent('payment.captured', 1, {
  heardBy: ['reservation'],
  body: Capture,
  key: (capture) => capture.paymentIntentId,
})

/** An attempt moved without being paid. `revision` grows with each: an older one says nothing new. */
export const PaymentProgressed = defineEvent('payment.progressed', 1, {
  heardBy: ['reservation'],
  body: z.object({
    reservationId: Id,
    paymentIntentId: z.string(),
    status: z.enum(['unpaid', 'processing', 'requires_action', 'failed']),
    declineCode: z.string().nullable(),
    revision: z.int(),
  }),
  key: (progress) => `${progress.paymentIntentId}:${progress.revision}`,
})

/** No intent of this reservation can be paid any more, and none was. */
export const PaymentClosed = defineEvent('payment.closed', 1, {
  heardBy: ['reservation'],
  body: z.object({ reservationId: Id }),
  key: (closed) => closed.reservationId,
})

/** Money went back. */
export const PaymentRefunded = defineEvent('payment.refunded', 1, {
  heardBy: ['reservation'],
  body: Returned,
  key: (refunded) => refunded.refund.refundId,
})

/** A refund gave nothing back after all: the bank returned it to us. One that was ours is made anew, with another id. */
export const PaymentRefundFailed = defineEvent('payment.refund-failed', 1, {
  heardBy: ['reservation'],
  body: Returned,
  key: (failed) => failed.refund.refundId,
})

/** Payments with their intents and refunds, by their reservations' ids. */
export const ReadPayments = defineRequest('payment.read-payments', 1, {
  to: 'payment',
  body: Which,
  reply: z.object({ now: Timestamp, payments: z.array(PaymentFacts) }),
})
export type PaymentsOnRecord = z.infer<typeof ReadPayments.reply>

export const ReadPaymentTraffic = defineRequest('payment.read-traffic', 1, {
  to: 'payment',
  body: WhoseTraffic,
  reply: PaymentTraffic,
})
