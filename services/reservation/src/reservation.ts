import type { Capture } from '@holdfast/contracts/messages/payment'
import type {
  Experience,
  Outcome,
  PaymentStatus,
  Refund,
  ReservationStatus,
  TimeSlot,
} from '@holdfast/contracts/values'

/** A reservation's life. Pure: what it is, how it may move, how it looks at a moment. */

type PaymentPhase = 'none' | 'opening' | 'open' | 'closing' | 'closed' | 'captured'
type SeatsPhase = 'held' | 'confirming' | 'booked' | 'releasing' | 'released' | 'reacquiring'
export type CloseReason = 'expired' | 'released'

interface RefundDue {
  readonly paymentIntentId: string
  readonly reason: 'late' | 'duplicate'
}

/** Money that went back, and of which intent. */
export interface Returned extends Refund {
  readonly paymentIntentId: string
  /** It came back to us. Kept, so that the news that it was made, should it come later, is known as old. */
  readonly failed?: true
}

export interface Reservation {
  readonly id: string
  readonly userId: string
  readonly experienceId: string
  readonly timeSlotId: string
  readonly status: ReservationStatus
  readonly paymentStatus: PaymentStatus
  /** Our side of the payment: has one been asked for, can it still be paid, was it? */
  readonly payment: PaymentPhase
  /** Our side of the seats: what inventory has been told, and whether it has answered. */
  readonly seats: SeatsPhase
  readonly closeReason: CloseReason | null
  readonly closingSince: Date | null

  readonly numberOfGuests: number
  readonly guestName: string
  readonly guestEmail: string
  readonly guestPhone: string | null
  readonly specialRequests: string | null

  /** Minor units of `currency`. */
  readonly originalPrice: number
  readonly discountApplied: number
  readonly totalPrice: number
  readonly currency: string
  readonly experience: Experience
  readonly timeSlot: TimeSlot

  readonly holdExpiresAt: Date
  /** How many conversions were started; names the next one to the payment service. */
  readonly attempt: number
  readonly convertedAt: Date | null
  readonly pollRound: number

  readonly paymentIntentId: string | null
  readonly paymentRevision: number
  readonly paymentId: string | null
  readonly chargeId: string | null
  readonly capturedMinor: number | null
  readonly refundsDue: readonly RefundDue[]
  readonly refunds: readonly Returned[]
  readonly outcome: Outcome | null
  readonly reservationReference: string | null

  readonly wakeAt: Date | null
  readonly repeats: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What a decision makes of a reservation. */
export interface Step {
  readonly reservation: Reservation
  /** What the timeline says of it; a step without an event is one in which nothing happened. */
  readonly event?: string
  readonly details?: Record<string, unknown>
}

export const stay = (reservation: Reservation): Step => ({ reservation })

/** Which status may follow which. The saga decides; the store refuses to write anything else. */
const transitions = {
  held: ['pending', 'confirmed', 'expired', 'cancelled'],
  pending: ['confirmed', 'expired', 'cancelled'],
  // Paid too late, and the seats were still free.
  expired: ['confirmed'],
  // Only when inventory has lost its seats (whenSeatsRefused).
  confirmed: ['expired'],
  cancelled: [],
} as const satisfies Record<ReservationStatus, readonly ReservationStatus[]>

export const mayFollow = (from: ReservationStatus, to: ReservationStatus): boolean =>
  from === to || (transitions[from] as readonly ReservationStatus[]).includes(to)

/** How a reservation ends whose payment was closed. */
export const endOf = (reason: CloseReason): 'expired' | 'cancelled' => (reason === 'released' ? 'cancelled' : 'expired')

/** The refunds that did give money back. */
export const refundsMade = (refunds: readonly Returned[]): Returned[] => refunds.filter(({ failed }) => !failed)

/** Neither paid for nor over. */
export const isOpen = ({ status }: Pick<Reservation, 'status'>): boolean => status === 'held' || status === 'pending'

/**
 * How it ends is not known yet: it may still be paid, or was, and inventory has not said whether the seats are free. Whoever may have
 * paid is not told an end before, for that answer may be stored.
 */
export const isUndecided = ({ status, payment, seats }: Pick<Reservation, 'status' | 'payment' | 'seats'>): boolean =>
  isOpen({ status }) ||
  (status === 'expired' && payment === 'closing') ||
  (payment === 'captured' && (seats === 'releasing' || seats === 'reacquiring'))

/** Expired if and only if the database's clock is at or past the end of the hold. */
export const isOver = (reservation: Reservation, now: Date): boolean => now >= reservation.holdExpiresAt

/** Whether this intent's money is the money that pays for the seats. */
export const isPaidBy = (reservation: Reservation, capture: Pick<Capture, 'paymentIntentId'>): boolean =>
  reservation.payment === 'captured' && reservation.paymentIntentId === capture.paymentIntentId

/**
 * What a reader sees at `now`. A hold whose time is over reads as expired from that very moment, even before anything has
 * noticed. Once a payment was asked for, only the fence (closing the payment first) can tell: until then it is processing.
 */
export function seenAt(reservation: Reservation, now: Date): Pick<Reservation, 'status' | 'paymentStatus'> {
  const { status, paymentStatus, payment } = reservation
  if (!isOver(reservation, now) || !isOpen(reservation)) return { status, paymentStatus }
  return payment === 'none' ? { status: 'expired', paymentStatus } : { status: 'pending', paymentStatus: 'processing' }
}
