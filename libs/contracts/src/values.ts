import { z } from 'zod'

/** The shapes that several messages and routes share. Money is in the currency's minor unit, times are UTC (`Z`). */

const noNul = (text: string) => !text.includes('\0')

/** Text that Postgres can store and return as it came: no NUL, no lone surrogate; length counted in characters. */
export const text = (max: number, min = 0) =>
  z
    .string()
    .refine(noNul, 'must not contain a NUL character')
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
    .refine((value) => [...value].length <= max, `must have at most ${max} characters`)
    .refine((value) => value.trim().length >= min, 'must not be empty')
    .meta({ maxLength: max, ...(min > 0 && { minLength: min }) })

/** Any RFC 9562 shaped id, in lower case. Unknown ones are answered with 404, so no version is asked of them. */
export const Id = z.guid('must be a UUID').toLowerCase()

/** Accepted with any offset, answered in UTC with milliseconds. */
export const Timestamp = z.iso.datetime()
export const TimestampInput = z.iso
  .datetime({ offset: true, error: 'must be a time with its offset, like 2027-05-01T10:00:00Z', abort: true })
  .refine((value) => !Number.isNaN(Date.parse(value)), 'must be a date that exists')
  .transform((value) => new Date(value).toISOString())
  // The offset may carry it out of the years that Postgres and ISO 8601's four digits know.
  .refine((value) => /^(?!0000)\d{4}-/.test(value), 'must lie in the years 0001 to 9999')

/** Stripe's own upper limit for a charge: eight digits. */
const maxAmountMinor = 99_999_999
export const PriceMinor = z.int().min(0).max(maxAmountMinor)
export const Currency = z.string().regex(/^[a-z]{3}$/, 'must be a three-letter currency code in lower case')

export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(10),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
})

export const Pagination = z.object({
  total: z.int(),
  limit: z.int(),
  offset: z.int(),
  hasMore: z.boolean(),
})

export const Discount = z.discriminatedUnion('kind', [
  z.strictObject({
    type: text(64, 1),
    kind: z.literal('group'),
    minGuests: z.int().min(1).max(10_000),
    percent: z.int().min(1).max(100),
  }),
  z.strictObject({
    type: text(64, 1),
    kind: z.literal('early_bird'),
    minLeadDays: z.int().min(1).max(3_650),
    percent: z.int().min(1).max(100),
  }),
])
export type Discount = z.infer<typeof Discount>

const AppliedDiscount = z.object({ amount: z.int(), type: z.string() }).nullable()

export const AppliedDiscounts = z.object({
  groupDiscount: AppliedDiscount,
  earlyBirdDiscount: AppliedDiscount,
  totalDiscount: z.int(),
})
export type AppliedDiscounts = z.infer<typeof AppliedDiscounts>

/** What a party pays. `originalPrice - discountApplied = totalPrice`, all in minor units. */
export const Price = z.object({
  originalPrice: z.int().min(0),
  discountApplied: z.int().min(0),
  totalPrice: z.int().min(0),
  appliedDiscounts: AppliedDiscounts,
})
export type Price = z.infer<typeof Price>

export const Experience = z.object({
  id: Id,
  title: z.string(),
  description: z.string(),
  timeZone: z.string(),
  currency: Currency,
  pricePerGuest: z.int(),
  holdSeconds: z.int(),
  maxGuests: z.int().nullable(),
  discounts: z.array(Discount),
  status: z.enum(['active', 'archived']),
  createdAt: Timestamp,
  updatedAt: Timestamp,
})
export type Experience = z.infer<typeof Experience>

export const TimeSlot = z.object({
  id: Id,
  experienceId: Id,
  startsAt: Timestamp,
  endsAt: Timestamp,
  capacity: z.int(),
  held: z.int(),
  booked: z.int(),
  available: z.int(),
  status: z.enum(['open', 'closed']),
  pricePerGuest: z.int(),
  currency: Currency,
})
export type TimeSlot = z.infer<typeof TimeSlot>

export const ReservationStatus = z.enum(['held', 'pending', 'confirmed', 'expired', 'cancelled'])
export type ReservationStatus = z.infer<typeof ReservationStatus>

export const PaymentStatus = z.enum([
  'unpaid',
  'processing',
  'requires_action',
  'failed',
  'paid',
  'partially_refunded',
  'refunded',
])
export type PaymentStatus = z.infer<typeof PaymentStatus>

/** What became of money that did not simply pay for its seats. */
export const Outcome = z.enum([
  'late_payment_confirmed',
  'late_payment_refunded',
  'duplicate_payment_refunded',
  'mismatch_refunded',
])
export type Outcome = z.infer<typeof Outcome>

export const Refund = z.object({
  refundId: z.string(),
  amount: z.int(),
  reason: z.string().nullable(),
  createdAt: Timestamp,
})
export type Refund = z.infer<typeof Refund>
