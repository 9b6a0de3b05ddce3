import { Discount, type Experience, type TimeSlot } from '@holdfast/contracts/values'
import { z } from 'zod'
import { availableOf } from './time-slot.ts'

/** The tables' rows as they come from either door, and what the contract makes of them. */

export const ExperienceRow = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  time_zone: z.string(),
  currency: z.string(),
  price_per_guest: z.number(),
  hold_seconds: z.number(),
  max_guests: z.number().nullable(),
  discounts: z.array(Discount),
  status: z.enum(['active', 'archived']),
  created_at: z.date(),
  updated_at: z.date(),
})
export type ExperienceRow = z.infer<typeof ExperienceRow>

export const TimeSlotRow = z.object({
  id: z.string(),
  experience_id: z.string(),
  starts_at: z.date(),
  ends_at: z.date(),
  capacity: z.number(),
  held: z.number(),
  booked: z.number(),
  status: z.enum(['open', 'closed']),
  price_per_guest: z.number().nullable(),
})
export type TimeSlotRow = z.infer<typeof TimeSlotRow>

/** A row that came as JSON: its dates are text. */
export type AsJson<Row> = { [Column in keyof Row]: Row[Column] extends Date ? string : Row[Column] }

const utc = (time: Date | string): string => new Date(time).toISOString()

export function experienceOf(row: ExperienceRow | AsJson<ExperienceRow>): Experience {
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    timeZone: row.time_zone,
    currency: row.currency,
    pricePerGuest: row.price_per_guest,
    holdSeconds: row.hold_seconds,
    maxGuests: row.max_guests,
    discounts: row.discounts,
    status: row.status,
    createdAt: utc(row.created_at),
    updatedAt: utc(row.updated_at),
  }
}

/** A slot's own price, where it has one, stands instead of its experience's. */
export function timeSlotOf(
  row: TimeSlotRow | AsJson<TimeSlotRow>,
  experience: { currency: string; price_per_guest: number },
): TimeSlot {
  return {
    id: row.id,
    experienceId: row.experience_id,
    startsAt: utc(row.starts_at),
    endsAt: utc(row.ends_at),
    capacity: row.capacity,
    held: row.held,
    booked: row.booked,
    available: availableOf(row),
    status: row.status,
    pricePerGuest: row.price_per_guest ?? experience.price_per_guest,
    currency: experience.currency,
  }
}
