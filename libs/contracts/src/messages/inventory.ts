import { z } from 'zod'
import { AllocationFacts, SlotFacts, Traffic, Which, WhoseTraffic } from '../facts.ts'
import { defineCommand, defineEvent, defineRequest } from '../message.ts'
import { Experience, Id, Price, TimeSlot, Timestamp } from '../values.ts'

const OfReservation = z.object({ reservationId: Id })
const byReservation = (body: { reservationId: string }) => body.reservationId

/** Seats of one time slot for one reservation, temporarily. Asking again answers as the first time. */
export const AllocateSeats = defineRequest('inventory.allocate-seats', 1, {
  to: 'inventory',
  body: z.object({ reservationId: Id, experienceId: Id, timeSlotId: Id, guests: z.int().min(1) }),
  reply: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('allocated'), price: Price, experience: Experience, timeSlot: TimeSlot }),
    z.object({ outcome: z.literal('slot_not_found') }),
    z.object({ outcome: z.literal('slot_not_available') }),
    z.object({ outcome: z.literal('not_enough_capacity'), available: z.int() }),
    z.object({ outcome: z.literal('too_many_guests'), maxGuests: z.int() }),
    /** These seats were given back already: the hold this question belongs to is over. */
    z.object({ outcome: z.literal('released') }),
  ]),
})

/** The reservation is paid: its seats are booked for good. */
export const ConfirmSeats = defineCommand('inventory.confirm-seats', 1, {
  to: 'inventory',
  body: OfReservation,
  key: byReservation,
})

/** The reservation is over: its seats are free again. */
export const ReleaseSeats = defineCommand('inventory.release-seats', 1, {
  to: 'inventory',
  body: OfReservation,
  key: byReservation,
})

/** Money came after the seats were given back: take them again if they are still free. */
export const ReacquireSeats = defineCommand('inventory.reacquire-seats', 1, {
  to: 'inventory',
  body: z.object({ reservationId: Id, experienceId: Id, timeSlotId: Id, guests: z.int().min(1) }),
  key: byReservation,
})

export const SeatsConfirmed = defineEvent('inventory.seats-confirmed', 1, {
  heardBy: ['reservation'],
  body: OfReservation,
  key: byReservation,
})

export const SeatsReleased = defineEvent('inventory.seats-released', 1, {
  heardBy: ['reservation'],
  body: OfReservation,
  key: byReservation,
})

/** The seats were free and are booked now. */
export const SeatsReacquired = defineEvent('inventory.seats-reacquired', 1, {
  heardBy: ['reservation'],
  body: OfReservation,
  key: byReservation,
})

/** The seats are gone. */
export const SeatsRefused = defineEvent('inventory.seats-refused', 1, {
  heardBy: ['reservation'],
  body: OfReservation,
  key: byReservation,
})

/** Allocations by their reservations' ids, and slots by their own: the same ids, or the next of both. */
export const ReadSeats = defineRequest('inventory.read-seats', 1, {
  to: 'inventory',
  body: Which,
  reply: z.object({ now: Timestamp, allocations: z.array(AllocationFacts), slots: z.array(SlotFacts) }),
})
export type SeatsOnRecord = z.infer<typeof ReadSeats.reply>

export const ReadInventoryTraffic = defineRequest('inventory.read-traffic', 1, {
  to: 'inventory',
  body: WhoseTraffic,
  reply: Traffic,
})
