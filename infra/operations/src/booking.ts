/** What the three databases have on record about one reservation: the facts that are held against one another. Pure. */

export type Status = 'held' | 'pending' | 'confirmed' | 'expired' | 'cancelled'

export interface ReservationFacts {
  readonly id: string
  readonly status: Status
  readonly paymentStatus: string
  readonly payment: 'none' | 'opening' | 'open' | 'closing' | 'closed' | 'captured'
  readonly seats: 'held' | 'confirming' | 'booked' | 'releasing' | 'released' | 'reacquiring'
  readonly guests: number
  readonly timeSlotId: string
  readonly totalPrice: number
  readonly currency: string
  readonly holdExpiresAt: Date
  readonly paymentIntentId: string | null
  readonly capturedMinor: number | null
  readonly refundsDue: readonly { readonly paymentIntentId: string }[]
  readonly refunds: readonly { readonly refundId: string; readonly paymentIntentId: string }[]
  readonly wakeAt: Date | null
  /** When its saga last took a step; a repeated command is none. */
  readonly movedAt: Date
}

export interface AllocationFacts {
  readonly reservationId: string
  readonly state: 'held' | 'booked' | 'released'
  /** Null on a tombstone. */
  readonly timeSlotId: string | null
  readonly guests: number | null
  readonly auditAt: Date
}

export interface RefundFacts {
  readonly id: string
  readonly paymentIntentId: string
  readonly cause: 'late' | 'duplicate' | 'mismatch' | 'external'
  readonly amountMinor: number
  readonly status: string
  readonly createdAt: Date
}

export interface IntentFacts {
  readonly id: string
  readonly paymentId: string
  readonly status: string
  readonly amountReceivedMinor: number
  readonly currency: string
  readonly capturedAt: Date | null
  readonly mismatch: string | null
  readonly refundCause: string | null
  readonly updatedAt: Date
  readonly refunds: readonly RefundFacts[]
}

export interface PaymentFacts {
  readonly id: string
  readonly reservationId: string
  readonly state: 'open' | 'closing' | 'closed'
  readonly closeAt: Date | null
  readonly createdAt: Date
  readonly intents: readonly IntentFacts[]
}

export interface Booking {
  readonly id: string
  readonly now: Date
  readonly reservation: ReservationFacts | undefined
  readonly allocation: AllocationFacts | undefined
  readonly payment: PaymentFacts | undefined
}

/** Drift: not as promised. Moving: not at rest, and within the time it may take. Note: worth knowing, nothing to do. */
export type Standing = 'drift' | 'moving' | 'note'

export interface Finding {
  /** The reservation's id, where it is about one; else a slot, an outbox, an event. */
  readonly subject: string
  readonly kind: string
  readonly what: string
  readonly since: Date
  readonly standing: Standing
}

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

export const ageSeconds = (since: Date, now: Date): number => (now.getTime() - since.getTime()) / 1_000

/** Still within its time, or not any more. */
export const standingOf = (since: Date, now: Date, boundSeconds: number): Standing =>
  ageSeconds(since, now) > boundSeconds ? 'drift' : 'moving'
