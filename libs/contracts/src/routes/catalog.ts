import { z } from 'zod'
import { defineRoute } from '../route.ts'
import {
  Currency,
  Discount,
  Experience,
  Id,
  Page,
  Pagination,
  Price,
  PriceMinor,
  TimeSlot,
  TimestampInput,
  text,
} from '../values.ts'

const service = 'inventory'
const ById = z.object({ id: Id })
const Guests = z.coerce.number().int().min(1).max(10_000)
const Capacity = z.int().min(1).max(1_000_000)
const HoldSeconds = z.int().min(1).max(86_400)
const MaxGuests = z.int().min(1).max(10_000)

const TimeZone = text(64, 1).refine((name) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    // Node also knows offsets such as +02:00, which are no zones: a place's offset changes with the season.
    return !/^[+-]/.test(name)
  } catch {
    return false
  }
}, 'must be an IANA time zone')

const Discounts = z
  .array(Discount)
  .max(20)
  .refine((rules) => new Set(rules.map((rule) => rule.kind)).size === rules.length, 'must have each kind once at most')

/** With `guests` given, a slot comes with the price for that party. */
export const PricedTimeSlot = TimeSlot.extend({ price: Price.optional() })

export const listExperiences = defineRoute({
  service,
  method: 'GET',
  url: '/v1/experiences',
  summary: 'List the experiences on offer',
  auth: 'user',
  query: Page,
  reply: z.object({ experiences: z.array(Experience), pagination: Pagination }),
})

export const getExperience = defineRoute({
  service,
  method: 'GET',
  url: '/v1/experiences/:id',
  summary: 'Get one experience',
  auth: 'user',
  params: ById,
  reply: z.object({ experience: Experience }),
  errors: ['EXPERIENCE_NOT_FOUND'],
})

export const listTimeSlots = defineRoute({
  service,
  method: 'GET',
  url: '/v1/experiences/:id/time-slots',
  summary: 'List the time slots of an experience, with availability and, for a party, the price',
  auth: 'user',
  params: ById,
  query: Page.extend({
    from: TimestampInput.optional().describe(
      'Slots that start then or later; by default from now on. The + of an offset is written %2B.',
    ),
    to: TimestampInput.optional().describe('Slots that start then or earlier.'),
    guests: Guests.optional().describe('The size of the party that `price` is for.'),
  }),
  reply: z.object({ timeSlots: z.array(PricedTimeSlot), pagination: Pagination }),
  errors: ['EXPERIENCE_NOT_FOUND'],
})

export const getTimeSlot = defineRoute({
  service,
  method: 'GET',
  url: '/v1/time-slots/:id',
  summary: 'Get one time slot',
  auth: 'user',
  params: ById,
  query: z.object({ guests: Guests.optional().describe('The size of the party that `price` is for.') }),
  reply: z.object({ timeSlot: PricedTimeSlot }),
  errors: ['TIME_SLOT_NOT_FOUND'],
})

export const createExperience = defineRoute({
  service,
  method: 'POST',
  url: '/v1/experiences',
  summary: 'Offer a new experience',
  auth: 'operator',
  body: z.strictObject({
    title: text(200, 1),
    description: text(10_000).default(''),
    timeZone: TimeZone,
    currency: Currency.default('usd'),
    pricePerGuest: PriceMinor,
    holdSeconds: HoldSeconds.default(900),
    maxGuests: MaxGuests.nullish(),
    discounts: Discounts.default([]),
  }),
  status: 201,
  reply: z.object({ experience: Experience }),
})

export const updateExperience = defineRoute({
  service,
  method: 'PATCH',
  url: '/v1/experiences/:id',
  summary: 'Change an experience; holds that exist keep their price and their time',
  auth: 'operator',
  params: ById,
  body: z.strictObject({
    title: text(200, 1).optional(),
    description: text(10_000).optional(),
    pricePerGuest: PriceMinor.optional(),
    holdSeconds: HoldSeconds.optional(),
    maxGuests: MaxGuests.nullish(),
    discounts: Discounts.optional(),
    status: z.enum(['active', 'archived']).optional(),
  }),
  reply: z.object({ experience: Experience }),
  errors: ['EXPERIENCE_NOT_FOUND'],
})

export const createTimeSlot = defineRoute({
  service,
  method: 'POST',
  url: '/v1/experiences/:id/time-slots',
  summary: 'Add a time slot to an experience',
  auth: 'operator',
  params: ById,
  body: z.strictObject({
    startsAt: TimestampInput,
    endsAt: TimestampInput,
    capacity: Capacity,
    /** Instead of the experience's price. */
    pricePerGuest: PriceMinor.nullish(),
  }),
  status: 201,
  reply: z.object({ timeSlot: TimeSlot }),
  errors: ['EXPERIENCE_NOT_FOUND'],
})

export const updateTimeSlot = defineRoute({
  service,
  method: 'PATCH',
  url: '/v1/time-slots/:id',
  summary: 'Change a time slot; closing it stops new holds and leaves the others',
  auth: 'operator',
  params: ById,
  body: z.strictObject({
    capacity: Capacity.optional(),
    status: z.enum(['open', 'closed']).optional(),
    pricePerGuest: PriceMinor.nullish(),
  }),
  reply: z.object({ timeSlot: TimeSlot }),
  errors: ['TIME_SLOT_NOT_FOUND', 'CAPACITY_IN_USE'],
})
