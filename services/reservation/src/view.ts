import type { ReservationView } from '@holdfast/contracts/routes/reservations'
import { type Reservation, seenAt } from './reservation.ts'

/** A reservation as the API shows it at a moment. */
export function viewOf(reservation: Reservation, now: Date): ReservationView {
  return {
    id: reservation.id,
    experienceId: reservation.experienceId,
    timeSlotId: reservation.timeSlotId,
    ...seenAt(reservation, now),
    numberOfGuests: reservation.numberOfGuests,
    guestName: reservation.guestName,
    guestEmail: reservation.guestEmail,
    guestPhone: reservation.guestPhone,
    specialRequests: reservation.specialRequests,
    originalPrice: reservation.originalPrice,
    discountApplied: reservation.discountApplied,
    totalPrice: reservation.totalPrice,
    currency: reservation.currency,
    holdExpiresAt: reservation.holdExpiresAt.toISOString(),
    paymentIntentId: reservation.paymentIntentId,
    reservationReference: reservation.reservationReference,
    createdAt: reservation.createdAt.toISOString(),
    updatedAt: reservation.updatedAt.toISOString(),
    experience: reservation.experience,
    timeSlot: reservation.timeSlot,
  }
}
