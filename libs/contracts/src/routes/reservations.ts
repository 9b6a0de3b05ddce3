import { z } from 'zod'
import { StripeStatus } from '../messages/payment.ts'
import { defineRoute } from '../route.ts'
import {
  AppliedDiscounts,
  Currency,
  Experience,
  Id,
  Outcome,
  Page,
  Pagination,
  PaymentStatus,
  Refund,
  ReservationStatus,
  TimeSlot,
  Timestamp,
  text,
} from '../values.ts'

const service = 'reservation'
const ById = z.object({ id: Id })

export const Reservation = z.object({
  id: Id,
  experienceId: Id,
  timeSlotId: Id,
  status: ReservationStatus,
  paymentStatus: PaymentStatus,
  numberOfGuests: z.int(),
  guestName: z.string(),
  guestEmail: z.string(),
  guestPhone: z.string().nullable(),
  specialRequests: z.string().nullable(),
  originalPrice: z.int(),
  discountApplied: z.int(),
  totalPrice: z.int(),
  currency: Currency,
  holdExpiresAt: Timestamp,
  paymentIntentId: z.string().nullable(),
  reservationReference: z.string().nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  /** As they were at the hold. */
  experience: Experience,
  timeSlot: TimeSlot,
})
export type ReservationView = z.infer<typeof Reservation>

/** RFC 5322's unquoted form and a domain of two labels or more. Whoever has the address decided how strange it is. */
const address =
  /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[a-z\d][a-z\d-]*\.)+[a-z](?:[a-z\d-]*[a-z\d])$/i

const Email = text(254)
  .refine((value) => address.test(value), 'must be an e-mail address')
  .meta({ format: 'email' })

export const createHold = defineRoute({
  service,
  method: 'POST',
  url: '/v1/reservations/hold',
  summary: 'Hold seats of a time slot',
  auth: 'user',
  idempotency: 'required',
  body: z.object({
    experienceId: Id,
    timeSlotId: Id,
    numberOfGuests: z.int().min(1).max(10_000),
    guestName: text(200, 1),
    guestEmail: Email,
    guestPhone: text(32).nullish(),
    specialRequests: text(2_000).nullish(),
  }),
  reply: z.object({
    reservation: z.object({
      id: Id,
      status: z.literal('held'),
      holdExpiresAt: Timestamp,
      totalPrice: z.int(),
      originalPrice: z.int(),
      discountApplied: z.int(),
      currency: Currency,
    }),
    appliedDiscounts: AppliedDiscounts,
    holdDurationMinutes: z.number(),
  }),
  errors: ['TIME_SLOT_NOT_FOUND', 'TIME_SLOT_NOT_AVAILABLE', 'NOT_ENOUGH_CAPACITY', 'HOLD_EXPIRED'],
})

export const convertHold = defineRoute({
  service,
  method: 'POST',
  url: '/v1/reservations/hold/convert',
  summary: 'Start the payment of a hold, or start it again',
  auth: 'user',
  idempotency: 'required',
  body: z.object({
    holdId: Id,
    paymentMethodId: text(255, 1).nullish(),
    savePaymentMethod: z.boolean().nullish(),
  }),
  reply: z.object({
    reservation: z.object({ id: Id, status: ReservationStatus, paymentIntentId: z.string().nullable() }),
    /** For Stripe.js. `null` when there was nothing to pay. */
    paymentClientSecret: z.string().nullable(),
    /** Whether the guest must complete 3D Secure. */
    requiresAction: z.boolean(),
  }),
  errors: [
    'RESERVATION_NOT_FOUND',
    'HOLD_EXPIRED',
    'INVALID_HOLD_STATUS',
    'PAYMENT_METHOD_NOT_FOUND',
    'PAYMENT_CARD_DECLINED',
    'PAYMENT_PROCESSING_FAILED',
  ],
})

export const confirmReservation = defineRoute({
  service,
  method: 'POST',
  url: '/v1/reservations/confirm',
  summary: 'Confirm a paid reservation without waiting for the webhook',
  auth: 'user',
  repeatable: true,
  body: z.object({ reservationId: Id, paymentIntentId: text(255, 1) }),
  reply: z.object({
    reservation: z.object({
      id: Id,
      status: z.literal('confirmed'),
      paymentStatus: PaymentStatus,
      reservationReference: z.string(),
    }),
    payment: z.object({ paymentId: Id, status: z.literal('captured'), chargeId: z.string() }),
  }),
  errors: ['RESERVATION_NOT_FOUND', 'HOLD_EXPIRED', 'INVALID_HOLD_STATUS', 'PAYMENT_PROCESSING_FAILED'],
})

export const getPaymentStatus = defineRoute({
  service,
  method: 'GET',
  url: '/v1/reservations/:id/payment-status',
  summary: 'Where the payment stands, read through to Stripe',
  auth: 'user',
  params: ById,
  reply: z.object({
    success: z.literal(true),
    data: z.object({
      reservationStatus: ReservationStatus,
      paymentIntentId: z.string().nullable(),
      stripeStatus: StripeStatus.nullable(),
      requiresAction: z.boolean(),
      actionType: z.enum(['redirect_to_url', 'use_stripe_sdk']).nullable(),
      paymentStatus: PaymentStatus,
      amountRefunded: z.int(),
      refunds: z.array(Refund),
      outcome: Outcome.nullable(),
    }),
  }),
  errors: ['RESERVATION_NOT_FOUND'],
})

const Statuses = z
  .string()
  .transform((value) => value.split(','))
  .pipe(z.array(ReservationStatus).min(1).max(20))

export const listReservations = defineRoute({
  service,
  method: 'GET',
  url: '/v1/reservations',
  summary: "List the caller's reservations, newest first",
  auth: 'user',
  query: Page.extend({
    status: Statuses.optional().describe(`One or several of ${ReservationStatus.options.join(', ')}; commas between.`),
  }),
  reply: z.object({ reservations: z.array(Reservation), pagination: Pagination }),
})

export const getReservation = defineRoute({
  service,
  method: 'GET',
  url: '/v1/reservations/:id',
  summary: 'Get one reservation',
  auth: 'user',
  params: ById,
  reply: z.object({ reservation: Reservation }),
  errors: ['RESERVATION_NOT_FOUND'],
})

export const releaseHold = defineRoute({
  service,
  method: 'DELETE',
  url: '/v1/reservations/hold/:id',
  summary: 'Release a hold before it expires; an open PaymentIntent is cancelled first',
  auth: 'user',
  repeatable: true,
  params: ById,
  reply: z.object({ reservation: z.object({ id: Id, status: z.literal('cancelled') }) }),
  errors: ['RESERVATION_NOT_FOUND', 'HOLD_EXPIRED', 'INVALID_HOLD_STATUS'],
})

export const getTimeline = defineRoute({
  service,
  method: 'GET',
  url: '/v1/reservations/:id/timeline',
  summary: 'Every step of the saga, oldest first',
  auth: 'user',
  params: ById,
  reply: z.object({
    timeline: z.array(
      z.object({
        at: Timestamp,
        type: z.string(),
        from: ReservationStatus.nullable(),
        to: ReservationStatus,
        messageId: z.string().nullable(),
        causationId: z.string().nullable(),
        details: z.record(z.string(), z.unknown()),
      }),
    ),
  }),
  errors: ['RESERVATION_NOT_FOUND'],
})
