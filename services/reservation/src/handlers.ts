import { SeatsConfirmed, SeatsReacquired, SeatsRefused, SeatsReleased } from '@holdfast/contracts/messages/inventory'
import {
  PaymentCaptured,
  PaymentClosed,
  PaymentProgressed,
  PaymentRefunded,
  PaymentRefundFailed,
} from '@holdfast/contracts/messages/payment'
import { HoldDue } from '@holdfast/contracts/messages/reservation'
import { type Handler, on } from '@holdfast/messaging/handler'
import type { Transaction } from '@holdfast/messaging/transaction'
import * as refunds from './booking-refunds.ts'
import * as saga from './booking-saga.ts'
import { newReference } from './reference.ts'
import type { Reservation, Step } from './reservation.ts'
import { advance, lockReservation } from './store.ts'
import type { WakeSettings } from './wake.ts'

/** What reservation hears, each with the sentence of the saga that says what it means. */
export function handlers(wake: WakeSettings): Handler[] {
  type Decide = (reservation: Reservation, now: Date) => Step
  const step = async (tx: Transaction, { reservationId }: { reservationId: string }, decide: Decide) => {
    await advance(tx, reservationId, wake, decide)
  }
  return [
    on(HoldDue, (due, tx) => step(tx, due, (r, now) => saga.whenDue(r, now, wake.closeDeadlineMs))),
    on(PaymentCaptured, (capture, tx) =>
      step(tx, capture, (r) => saga.whenPaymentCaptured(r, capture, newReference())),
    ),
    on(PaymentProgressed, (progress, tx) => step(tx, progress, (r) => saga.whenPaymentProgressed(r, progress))),
    on(PaymentClosed, (closed, tx) => step(tx, closed, saga.whenPaymentClosed)),
    on(PaymentRefunded, (refunded, tx) => step(tx, refunded, (r) => refunds.whenPaymentRefunded(r, refunded))),
    on(PaymentRefundFailed, (failed, tx) => step(tx, failed, (r) => refunds.whenRefundFailed(r, failed))),
    on(SeatsConfirmed, (seats, tx) => step(tx, seats, saga.whenSeatsConfirmed)),
    on(SeatsReleased, async (seats, tx) => {
      // Seats of a hold that never came to be are released too, and nobody here knows of them.
      if (await lockReservation(tx, seats.reservationId)) await step(tx, seats, saga.whenSeatsReleased)
    }),
    on(SeatsReacquired, (seats, tx) => step(tx, seats, (r) => saga.whenSeatsReacquired(r, newReference()))),
    on(SeatsRefused, (seats, tx) => step(tx, seats, saga.whenSeatsRefused)),
  ]
}
