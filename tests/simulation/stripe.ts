import type { StripeStatus } from '../../libs/contracts/src/messages/payment.ts'
import type { Subject } from '../../services/payment/src/event-store.ts'
import type { SeenIntent } from '../../services/payment/src/payment.ts'
import type { Problem } from '../../services/payment/src/stripe-problem.ts'
import type { Clock } from './clock.ts'

/** Stripe: intents that guests pay in their own time, and what it says about them. No network here; that is the door's. */

export interface StripeEvent {
  readonly id: string
  readonly type: string
  readonly subject: Subject | undefined
}

export interface PaymentIntent {
  readonly id: string
  readonly reservationId: string
  readonly attempt: number
  readonly amount: number
  readonly currency: string
  status: StripeStatus
  customer: string | null
  method: string | null
  chargeId: string | null
  declineCode: string | null
  refunded: number
  /** Its making was answered with a failure for ever: nobody of ours can know of it, or has its secret. */
  isOrphan: boolean
}

export interface StripeRefund {
  readonly id: string
  readonly intentId: string
  readonly amount: number
  readonly createdAt: Date
  /** What we wrote on ours; null on those of somebody else. */
  readonly cause: 'late' | 'duplicate' | 'mismatch' | null
  status: 'succeeded' | 'failed'
}

export type Card = 'good' | 'declined' | '3ds' | 'slow'
export type Refusal = { readonly problem: Problem; readonly intent?: PaymentIntent }
export type Stripe = ReturnType<typeof createStripe>

const payable: readonly StripeStatus[] = ['requires_payment_method', 'requires_confirmation', 'requires_action']

export function createStripe(clock: Clock, emit: (event: StripeEvent) => void, tell: (line: string) => void) {
  const intents = new Map<string, PaymentIntent>()
  const refunds: StripeRefund[] = []
  let counter = 0
  const next = (prefix: string) => {
    counter += 1
    return `${prefix}_${String(counter).padStart(4, '0')}`
  }

  function changed(intent: PaymentIntent, type: string): void {
    tell(`stripe: ${intent.id} of ${shortId(intent.reservationId)} ${type}`)
    // Stripe's times are whole seconds.
    const createdAt = new Date(Math.floor(clock.now() / 1_000) * 1_000).toISOString()
    const subject = { about: 'intent', intent: seen(intent, false), createdAt } as const
    emit({ id: next('evt'), type: `payment_intent.${type}`, subject })
  }

  function succeed(intent: PaymentIntent): void {
    intent.status = 'succeeded'
    intent.chargeId = next('ch')
    intent.declineCode = null
    changed(intent, 'succeeded')
  }

  function decline(intent: PaymentIntent, code: string): void {
    intent.status = 'requires_payment_method'
    intent.chargeId = next('ch')
    intent.declineCode = code
    changed(intent, 'payment_failed')
  }

  /** A card is tried on an intent, by us or by the guest. */
  function confirm(intent: PaymentIntent, card: Card): void {
    if (card === 'good') succeed(intent)
    else if (card === 'declined') decline(intent, 'card_declined')
    else {
      intent.status = card === '3ds' ? 'requires_action' : 'processing'
      changed(intent, intent.status)
    }
  }

  return {
    intents,
    refunds,
    isPayable: (intent: PaymentIntent) => payable.includes(intent.status),
    confirm,

    create(made: Pick<PaymentIntent, 'reservationId' | 'attempt' | 'amount' | 'currency' | 'customer'>): PaymentIntent {
      const nothing = { method: null, chargeId: null, declineCode: null, refunded: 0, isOrphan: false }
      const intent: PaymentIntent = { id: next('pi'), ...made, status: 'requires_payment_method', ...nothing }
      intents.set(intent.id, intent)
      tell(`stripe: ${intent.id} of ${shortId(intent.reservationId)} created`)
      return intent
    },

    /** The bank's word on what needed an action or time. */
    decide(intent: PaymentIntent, outcome: 'succeed' | 'fail'): void {
      if (intent.status !== 'requires_action' && intent.status !== 'processing') return
      if (outcome === 'succeed') succeed(intent)
      else decline(intent, 'authentication_failed')
    },

    cancel(intent: PaymentIntent): void {
      intent.status = 'canceled'
      changed(intent, 'canceled')
    },

    /** All that is left of it, or a part. */
    refund(intent: PaymentIntent, cause: StripeRefund['cause'], atMost = intent.amount): StripeRefund {
      const amount = Math.min(atMost, intent.amount - intent.refunded)
      const refund: StripeRefund = {
        id: next('re'),
        intentId: intent.id,
        amount,
        createdAt: new Date(),
        cause,
        status: 'succeeded',
      }
      intent.refunded += amount
      refunds.push(refund)
      tell(`stripe: ${intent.id} refunded ${amount} (${cause ?? 'by someone else'})`)
      emit({ id: next('evt'), type: 'charge.refunded', subject: { about: 'refunds', paymentIntentId: intent.id } })
      return refund
    },

    /** The guest's bank sends it back: the money is with us again. */
    failRefund(refund: StripeRefund): void {
      const intent = intents.get(refund.intentId)
      if (!intent) return
      refund.status = 'failed'
      intent.refunded -= refund.amount
      tell(`stripe: the refund of ${intent.id} failed`)
      emit({ id: next('evt'), type: 'refund.failed', subject: { about: 'refunds', paymentIntentId: intent.id } })
    },
  }
}

/** As Stripe shows it. Only where its charge is read along does it say what was refunded. */
export function seen(intent: PaymentIntent, withCharge: boolean): SeenIntent {
  const { id, status, currency, reservationId, attempt, customer, method, chargeId, declineCode } = intent
  return {
    ...{ id, status, currency, reservationId, attempt, customer, chargeId, declineCode },
    amountReceivedMinor: status === 'succeeded' ? intent.amount : 0,
    clientSecret: `${id}_secret`,
    savesCard: false,
    stripeMethodId: method,
    amountRefundedMinor: withCharge && chargeId !== null ? intent.refunded : null,
    actionType: status === 'requires_action' ? 'use_stripe_sdk' : null,
    hasFailed: declineCode !== null,
  }
}

export const shortId = (reservationId: string): string => reservationId.slice(0, 8)
