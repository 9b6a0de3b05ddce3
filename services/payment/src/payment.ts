import type { Capture, StripeStatus } from '@holdfast/contracts/messages/payment'

/** What a payment's state means and what follows from what Stripe says. Pure: no clock, no database, no Stripe. */

export type Progress = 'unpaid' | 'processing' | 'requires_action' | 'failed'
type ActionType = 'redirect_to_url' | 'use_stripe_sdk'
type Mismatch = 'amount' | 'currency' | 'metadata'

/** A PaymentIntent as Stripe shows it. */
export interface SeenIntent {
  readonly id: string
  readonly status: StripeStatus
  readonly amountReceivedMinor: number
  readonly currency: string
  /** From its metadata. */
  readonly reservationId: string | null
  readonly attempt: number | null
  readonly clientSecret: string | null
  readonly customer: string | null
  /** The card is to be kept once it has paid. */
  readonly savesCard: boolean
  readonly stripeMethodId: string | null
  readonly chargeId: string | null
  /** Cumulative; null when the charge was not read along. */
  readonly amountRefundedMinor: number | null
  readonly actionType: ActionType | null
  readonly declineCode: string | null
  /** Its last attempt failed. */
  readonly hasFailed: boolean
}

export interface Payment {
  readonly id: string
  readonly reservationId: string
  /** These three are null on a tombstone: a payment closed before it was opened. */
  readonly userId: string | null
  readonly amountMinor: number | null
  readonly currency: string | null
  readonly state: 'open' | 'closing' | 'closed'
  readonly revision: number
}

/** A PaymentIntent as it is on record. */
export interface Intent {
  readonly id: string
  readonly attempt: number
  readonly clientSecret: string | null
  readonly status: StripeStatus
  readonly progress: Progress
  readonly actionType: ActionType | null
  readonly declineCode: string | null
  readonly chargeId: string | null
  readonly amountReceivedMinor: number
  readonly currency: string
  readonly capturedAt: Date | null
  readonly mismatch: Mismatch | null
  readonly amountRefundedMinor: number
  readonly refundCause: 'late' | 'duplicate' | 'mismatch' | null
  /** The time of the newest event about it. */
  readonly eventAt: Date | null
}

/** What it means that an intent was seen as it is. */
export type Sighting =
  | { readonly means: 'nothing' }
  | { readonly means: 'captured' }
  | { readonly means: 'mismatched'; readonly mismatch: Mismatch }
  | { readonly means: 'canceled' }
  | { readonly means: 'moved'; readonly progress: Progress; readonly tell: boolean }

const nothing: Sighting = { means: 'nothing' }

/**
 * Paid is final, and cancelled is final unless it turns out to be paid: whatever comes later or late moves neither back.
 * `others` are the payment's other intents.
 */
export function whenIntentSeen(
  payment: Payment,
  known: Intent | undefined,
  others: readonly Intent[],
  seen: SeenIntent,
): Sighting {
  if (known?.status === 'succeeded') return nothing
  if (seen.status === 'succeeded') {
    const mismatch = mismatchOf(payment, seen)
    return mismatch ? { means: 'mismatched', mismatch } : { means: 'captured' }
  }
  if (known?.status === 'canceled') return nothing
  // A status that Stripe has added since moves nothing; but an intent that is new must be on record.
  if (known && seen.status === 'unknown') return nothing
  if (seen.status === 'canceled') return { means: 'canceled' }
  // Two calls have made one each: nobody has been given the secret of this one, and nobody will be.
  if (!known && others.some(isOpen)) return { means: 'canceled' }
  const progress = progressOf(seen)
  if (known && known.status === seen.status && isSameProgress(known, progress, seen)) return nothing
  const news = known ? !isSameProgress(known, progress, seen) : progress !== 'unpaid'
  return { means: 'moved', progress, tell: news && payment.state === 'open' && !others.some(isCaptured) }
}

function isSameProgress(known: Intent, progress: Progress, seen: SeenIntent): boolean {
  // Every failed try has a charge of its own: the same decline twice is news twice.
  const sameFailure = progress !== 'failed' || known.chargeId === seen.chargeId
  return known.progress === progress && known.declineCode === seen.declineCode && sameFailure
}

/** Nobody asked for money on a tombstone, so whatever comes there is of the wrong amount. */
function mismatchOf(payment: Payment, seen: SeenIntent): Mismatch | null {
  if (seen.reservationId !== payment.reservationId) return 'metadata'
  if (seen.currency !== payment.currency) return payment.currency === null ? 'amount' : 'currency'
  return seen.amountReceivedMinor === payment.amountMinor ? null : 'amount'
}

function progressOf(seen: SeenIntent): Progress {
  switch (seen.status) {
    case 'requires_action':
      return 'requires_action'
    case 'processing':
    case 'requires_capture':
      return 'processing'
    case 'requires_payment_method':
    case 'requires_confirmation':
    case 'canceled':
    case 'succeeded':
    case 'unknown':
      return seen.hasFailed ? 'failed' : 'unpaid'
  }
}

/** Neither paid nor cancelled: it can still capture money. */
export const isOpen = (intent: Intent): boolean => intent.status !== 'canceled' && intent.status !== 'succeeded'
export const isCaptured = (intent: Intent): boolean => intent.capturedAt !== null

/** Stripe takes another card for it. */
const acceptsCard = (status: StripeStatus): boolean =>
  status === 'requires_payment_method' || status === 'requires_confirmation' || status === 'requires_action'

/** How an attempt wants to be paid. */
export interface Wish {
  /** The saved card to charge; null when Stripe.js will bring a new one. */
  readonly stripeMethodId: string | null
  /** There for a saved card and for saving one. */
  readonly customer: string | null
  readonly savesCard: boolean
}

export type Step =
  | { readonly do: 'answer closed' }
  | { readonly do: 'answer captured'; readonly intent: Intent }
  | { readonly do: 'answer open'; readonly intent: Intent }
  | { readonly do: 'look'; readonly intent: Intent }
  | { readonly do: 'create' }
  | { readonly do: 'cancel'; readonly intent: Intent }
  | { readonly do: 'update'; readonly intent: Intent }
  | { readonly do: 'confirm'; readonly intent: Intent; readonly stripeMethodId: string }

/**
 * The next step of an attempt. `fresh` is an intent as Stripe had it a moment ago: a record alone is not acted on, for
 * the guest may have paid meanwhile.
 */
export function nextStep(
  payment: Payment,
  intents: readonly Intent[],
  wish: Wish,
  fresh: SeenIntent | undefined,
): Step {
  const captured = intents.find(isCaptured)
  if (captured) return { do: 'answer captured', intent: captured }
  if (payment.state !== 'open') return { do: 'answer closed' }
  const intent = intents.find(isOpen)
  if (!intent) return { do: 'create' }
  if (fresh?.id !== intent.id) return { do: 'look', intent }
  if (!acceptsCard(fresh.status)) return { do: 'answer open', intent }
  // Of one that was deleted, and made anew since: Stripe lets no intent change its customer.
  if (wish.customer !== null && fresh.customer !== null && fresh.customer !== wish.customer)
    return { do: 'cancel', intent }
  if (needsUpdate(fresh, wish)) return { do: 'update', intent }
  if (wish.stripeMethodId === null) return { do: 'answer open', intent }
  return { do: 'confirm', intent, stripeMethodId: wish.stripeMethodId }
}

/** Another attempt may want what the intent was not made for; a card is never kept for a wish that was taken back. */
function needsUpdate(fresh: SeenIntent, wish: Wish): boolean {
  if (wish.customer !== null && fresh.customer === null) return true
  return wish.stripeMethodId === null && fresh.savesCard !== wish.savesCard
}

/** The money an intent captured, as it is told to others. */
export function captureOf(payment: Payment, intent: Intent): Capture | undefined {
  if (!intent.capturedAt) return undefined
  return {
    reservationId: payment.reservationId,
    paymentId: payment.id,
    paymentIntentId: intent.id,
    chargeId: intent.chargeId ?? '',
    amountMinor: intent.amountReceivedMinor,
    currency: intent.currency,
    capturedAt: intent.capturedAt.toISOString(),
  }
}
