import { SeatsConfirmed, SeatsReacquired, SeatsRefused, SeatsReleased } from '@holdfast/contracts/messages/inventory'
import {
  PaymentCaptured,
  PaymentClosed,
  PaymentProgressed,
  PaymentRefunded,
} from '@holdfast/contracts/messages/payment'
import { HoldDue } from '@holdfast/contracts/messages/reservation'
import { getVerification } from '@holdfast/contracts/routes/operations'
import * as routes from '@holdfast/contracts/routes/reservations'
import { on } from '@holdfast/messaging/handler'
import type { Transaction } from '@holdfast/messaging/transaction'
import { startService } from '@holdfast/service/service'
import { answerAudit } from './audit.ts'
import * as saga from './booking-saga.ts'
import type { Settings } from './config.ts'
import { confirmReservation } from './confirm-reservation.ts'
import { convertHold } from './convert-hold.ts'
import { createHold } from './create-hold.ts'
import { paymentStatus } from './payment-status.ts'
import { listOfReservations, readReservation, timelineOf } from './read-reservations.ts'
import { newReference } from './reference.ts'
import { releaseHold } from './release-hold.ts'
import type { Reservation } from './reservation.ts'
import { advance, lockReservation } from './store.ts'
import { startSweep } from './sweep.ts'
import { verification } from './verification.ts'
import type { WakeSettings } from './wake.ts'

/** The reservation service: reservations, the saga, idempotency records and the timeline. */
export function startReservation(settings: Settings) {
  const wake: WakeSettings = {
    watchdogMs: settings.WATCHDOG_SECONDS * 1_000,
    closeDeadlineMs: settings.CLOSE_DEADLINE_SECONDS * 1_000,
    pollAfterMs: settings.PAYMENT_POLL_SECONDS.map((age) => age * 1_000),
  }
  type Decide = (reservation: Reservation, now: Date) => saga.Step
  const step = (tx: Transaction, reservationId: string, decide: Decide) => advance(tx, reservationId, wake, decide)

  return startService({
    name: 'reservation',
    settings,
    migrations: new URL('../migrations', import.meta.url),
    assemble: (parts) => {
      const { serve } = parts
      serve(routes.createHold, createHold({ ...parts, maxActiveHoldsPerSlot: settings.MAX_ACTIVE_HOLDS_PER_SLOT }), {
        idempotency: 'own',
      })
      serve(routes.convertHold, convertHold(parts, wake))
      serve(routes.confirmReservation, confirmReservation(parts, wake))
      serve(routes.releaseHold, releaseHold(parts, wake))
      serve(routes.getPaymentStatus, paymentStatus(parts, wake))
      serve(routes.listReservations, listOfReservations(parts))
      serve(routes.getReservation, readReservation(parts))
      serve(routes.getTimeline, timelineOf(parts))
      serve(getVerification, verification(parts, settings.CLOSE_DEADLINE_SECONDS))

      return {
        handlers: [
          on(HoldDue, async (due, tx) => {
            await step(tx, due.reservationId, (r, now) => saga.whenDue(r, now, wake.closeDeadlineMs))
          }),
          on(PaymentCaptured, async (capture, tx) => {
            await step(tx, capture.reservationId, (r) => saga.whenPaymentCaptured(r, capture, newReference()))
          }),
          on(PaymentProgressed, async (progress, tx) => {
            await step(tx, progress.reservationId, (r) => saga.whenPaymentProgressed(r, progress))
          }),
          on(PaymentClosed, async (closed, tx) => {
            await step(tx, closed.reservationId, saga.whenPaymentClosed)
          }),
          on(PaymentRefunded, async (refunded, tx) => {
            await step(tx, refunded.reservationId, (r) => saga.whenPaymentRefunded(r, refunded))
          }),
          on(SeatsConfirmed, async (seats, tx) => {
            await step(tx, seats.reservationId, saga.whenSeatsConfirmed)
          }),
          on(SeatsReleased, async (seats, tx) => {
            // Seats of a hold that never came to be are released too, and nobody here knows of them.
            if (await lockReservation(tx, seats.reservationId))
              await step(tx, seats.reservationId, saga.whenSeatsReleased)
          }),
          on(SeatsReacquired, async (seats, tx) => {
            await step(tx, seats.reservationId, (r) => saga.whenSeatsReacquired(r, newReference()))
          }),
          on(SeatsRefused, async (seats, tx) => {
            await step(tx, seats.reservationId, saga.whenSeatsRefused)
          }),
        ],
        answers: [answerAudit(parts)],
        loops: [startSweep(parts, settings.SWEEP_INTERVAL_SECONDS * 1_000, wake)],
      }
    },
  })
}
