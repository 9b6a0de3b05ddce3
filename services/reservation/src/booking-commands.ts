import { type Message, send } from '@holdfast/contracts/message'
import { ConfirmSeats, ReacquireSeats, ReleaseSeats } from '@holdfast/contracts/messages/inventory'
import { ClosePayment, RefundPayment } from '@holdfast/contracts/messages/payment'
import type { Reservation } from './reservation.ts'

/**
 * What has to be told to inventory and payment follows from the state of a reservation itself, so a command that got lost
 * can be said again at any time by anyone who reads the row. Pure.
 */

/** The commands that this reservation waits for an answer to. */
export function outstanding(reservation: Reservation): Message[] {
  const { id: reservationId, experienceId, timeSlotId, numberOfGuests: guests, closeReason } = reservation
  return [
    ...(reservation.seats === 'confirming' ? [send(ConfirmSeats, { reservationId })] : []),
    ...(reservation.seats === 'releasing' ? [send(ReleaseSeats, { reservationId })] : []),
    ...(reservation.seats === 'reacquiring'
      ? [send(ReacquireSeats, { reservationId, experienceId, timeSlotId, guests })]
      : []),
    ...(reservation.payment === 'closing'
      ? [send(ClosePayment, { reservationId, reason: closeReason ?? 'expired' })]
      : []),
    ...reservation.refundsDue.map((due) => send(RefundPayment, { reservationId, ...due })),
  ]
}

/** What a step adds to that: what has to be said now. */
export function newlyOutstanding(before: Reservation, after: Reservation): Message[] {
  const known = new Set(outstanding(before).map(nameOf))
  return outstanding(after).filter((message) => !known.has(nameOf(message)))
}

const nameOf = ({ definition, body }: Message) => `${definition.name}:${definition.key(body as never)}`
