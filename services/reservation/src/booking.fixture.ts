import type { Capture } from '@holdfast/contracts/messages/payment'
import { newlyOutstanding } from './booking-commands.ts'
import {
  whenConversionStarted,
  whenDue,
  whenPaymentCaptured,
  whenPaymentOpened,
  whenSeatsReleased,
} from './booking-saga.ts'
import { aReservation, at, start } from './reservation.fixture.ts'
import type { Reservation, Step } from './reservation.ts'

/** What may happen to a reservation, and the reservations that it makes. */

export const closeDeadlineMs = 120_000
export const due = at(900)
export const capture = (paymentIntentId = 'pi_1'): Capture => ({
  reservationId: aReservation().id,
  paymentId: '00000000-0000-4000-8000-0000000000aa',
  paymentIntentId,
  chargeId: `ch_${paymentIntentId}`,
  amountMinor: 15_000,
  currency: 'usd',
  capturedAt: start.toISOString(),
})
export const refunded = (
  paymentIntentId: string,
  cause: 'late' | 'duplicate' | 'external',
  amount = 15_000,
  total = amount,
) => ({
  reservationId: aReservation().id,
  paymentIntentId,
  cause,
  capturedMinor: 15_000,
  amountRefundedMinor: total,
  refund: { refundId: `re_${paymentIntentId}_${total}`, amount, reason: null, createdAt: start.toISOString() },
})
export const opened = { paymentIntentId: 'pi_1', stripeStatus: 'requires_payment_method', revision: 1 } as const
export const after = (reservation: Reservation, ...steps: ((r: Reservation) => Step)[]) =>
  steps.reduce((r, step) => step(r).reservation, reservation)
export const told = (before: Reservation, step: Step) =>
  newlyOutstanding(before, step.reservation).map((message) => message.definition.name)

export const held = aReservation()
export const opening = after(held, (r) => whenConversionStarted(r, start))
export const pending = after(opening, (r) => whenPaymentOpened(r, opened))
export const confirmed = after(pending, (r) => whenPaymentCaptured(r, capture(), 'ABC123DEF456'))
export const expired = after(held, (r) => whenDue(r, due, closeDeadlineMs), whenSeatsReleased)
