import type { Reservation } from './reservation.ts'

/** The moment at which the tests' hold begins, and moments counted in seconds from it. */
export const start = new Date('2026-01-01T12:00:00.000Z')
export const at = (seconds: number): Date => new Date(start.getTime() + seconds * 1_000)

const ids = {
  reservation: '00000000-0000-4000-8000-000000000001',
  experience: '00000000-0000-4000-8000-000000000002',
  slot: '00000000-0000-4000-8000-000000000003',
}

/** A hold of two places for 15 minutes, as it was just written. */
export function aReservation(changes: Partial<Reservation> = {}): Reservation {
  return {
    id: ids.reservation,
    userId: 'alice',
    experienceId: ids.experience,
    timeSlotId: ids.slot,
    status: 'held',
    paymentStatus: 'unpaid',
    payment: 'none',
    seats: 'held',
    closeReason: null,
    closingSince: null,
    numberOfGuests: 2,
    guestName: 'John Doe',
    guestEmail: 'john@example.com',
    guestPhone: null,
    specialRequests: null,
    originalPrice: 20_000,
    discountApplied: 5_000,
    totalPrice: 15_000,
    currency: 'usd',
    experience: {
      id: ids.experience,
      title: 'Sunset sail',
      description: '',
      timeZone: 'Europe/Lisbon',
      currency: 'usd',
      pricePerGuest: 10_000,
      holdSeconds: 900,
      maxGuests: null,
      discounts: [],
      status: 'active',
      createdAt: start.toISOString(),
      updatedAt: start.toISOString(),
    },
    timeSlot: {
      id: ids.slot,
      experienceId: ids.experience,
      startsAt: at(86_400).toISOString(),
      endsAt: at(90_000).toISOString(),
      capacity: 10,
      held: 2,
      booked: 0,
      available: 8,
      status: 'open',
      pricePerGuest: 10_000,
      currency: 'usd',
    },
    holdExpiresAt: at(900),
    attempt: 0,
    convertedAt: null,
    pollRound: 0,
    paymentIntentId: null,
    paymentRevision: 0,
    paymentId: null,
    chargeId: null,
    capturedMinor: null,
    refundsDue: [],
    refunds: [],
    outcome: null,
    reservationReference: null,
    wakeAt: at(900),
    repeats: 0,
    createdAt: start,
    updatedAt: start,
    ...changes,
  }
}
