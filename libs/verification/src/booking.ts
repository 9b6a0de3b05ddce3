import type { AllocationFacts, PaymentFacts } from '@holdfast/contracts/facts'
import type { Finding, Standing } from '@holdfast/contracts/routes/operations'
import type { ReservationStatus } from '@holdfast/contracts/values'

/** What the three services have on record about one reservation: the facts that are held against one another. Pure. */

export interface ReservationFacts {
  readonly id: string
  readonly status: ReservationStatus
  readonly paymentStatus: string
  readonly payment: 'none' | 'opening' | 'open' | 'closing' | 'closed' | 'captured'
  readonly seats: 'held' | 'confirming' | 'booked' | 'releasing' | 'released' | 'reacquiring'
  readonly guests: number
  readonly timeSlotId: string
  readonly totalPrice: number
  readonly currency: string
  readonly holdExpiresAt: string
  readonly paymentIntentId: string | null
  readonly capturedMinor: number | null
  readonly refundsDue: readonly { readonly paymentIntentId: string }[]
  readonly refunds: readonly { readonly refundId: string; readonly paymentIntentId: string }[]
  readonly wakeAt: string | null
  /** When its saga last took a step; a repeated command is none. */
  readonly movedAt: string
}

/** Times are as the contract tells them: UTC with milliseconds, so that they compare as text. */
export interface Booking {
  readonly id: string
  readonly now: string
  readonly reservation: ReservationFacts | undefined
  readonly allocation: AllocationFacts | undefined
  readonly payment: PaymentFacts | undefined
}

/** A finding whose subject is known to whoever asked. */
export type Said = Omit<Finding, 'subject'>

/** Seconds after which what is still moving is stuck. */
export interface Bounds {
  readonly wakeOverdue: number
  /** A command or a capture that the other side has not taken in. */
  readonly unanswered: number
  readonly untold: number
  /** How long seats stay held past their time while Stripe does not answer (CLOSE_DEADLINE_SECONDS). */
  readonly closeDeadline: number
  readonly outbox: number
  readonly stripeCall: number
  readonly parkedEvent: number
  /** Allocations that no reservation knows: inventory's audit looks a minute after the hold, every 15 s. */
  readonly audit: number
}

export const defaultBounds: Bounds = {
  wakeOverdue: 60,
  unanswered: 120,
  untold: 60,
  closeDeadline: 120,
  outbox: 30,
  stripeCall: 120,
  parkedEvent: 120,
  audit: 120,
}

export const ageSeconds = (since: string, now: string): number => (Date.parse(now) - Date.parse(since)) / 1_000

/** Still within its time, or not any more. */
export const standingOf = (since: string, now: string, boundSeconds: number): Standing =>
  ageSeconds(since, now) > boundSeconds ? 'drift' : 'moving'
