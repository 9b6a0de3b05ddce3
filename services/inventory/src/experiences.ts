import { DomainError } from '@holdfast/contracts/errors'
import type { createExperience, updateExperience } from '@holdfast/contracts/routes/catalog'
import type { Experience } from '@holdfast/contracts/values'
import { type Database, statement } from '@holdfast/db/database'
import { type IdempotencyKey, storeAnswer } from '@holdfast/http/idempotency'
import type { z } from 'zod'
import { assertNotEmpty } from './patch.ts'
import { type ExperienceRow, experienceOf } from './store.ts'

type NewExperience = z.output<NonNullable<typeof createExperience.body>>
type ExperiencePatch = z.output<NonNullable<typeof updateExperience.body>>

const insert = statement<ExperienceRow>(
  'experience.insert',
  `insert into experience (title, description, time_zone, currency, price_per_guest, hold_seconds, max_guests, discounts)
   values ($1, $2, $3, $4, $5, $6, $7, $8) returning *`,
)

export async function offerExperience(
  database: Database,
  wanted: NewExperience,
  key: IdempotencyKey | undefined,
): Promise<{ experience: Experience }> {
  return database.transaction(async (tx) => {
    const row = await tx.one(insert, [
      wanted.title,
      wanted.description,
      wanted.timeZone,
      wanted.currency,
      wanted.pricePerGuest,
      wanted.holdSeconds,
      wanted.maxGuests ?? null,
      JSON.stringify(wanted.discounts),
    ])
    const body = { experience: experienceOf(row) }
    if (key) await storeAnswer(tx, key, { status: 201, body })
    return body
  })
}

const update = statement<ExperienceRow>(
  'experience.update',
  `update experience set
     title = coalesce($2, title), description = coalesce($3, description), price_per_guest = coalesce($4, price_per_guest),
     hold_seconds = coalesce($5, hold_seconds), max_guests = case when $6 then $7 else max_guests end,
     discounts = coalesce($8, discounts), status = coalesce($9, status), updated_at = now()
   where id = $1 returning *`,
)

/** Holds that exist keep their price and their time: they have their own copy of them. */
export async function changeExperience(
  database: Database,
  id: string,
  patch: ExperiencePatch,
): Promise<{ experience: Experience }> {
  assertNotEmpty(patch)
  const row = await database.maybeOne(update, [
    id,
    patch.title,
    patch.description,
    patch.pricePerGuest,
    patch.holdSeconds,
    // Null takes the limit away; that is not the same as leaving it alone.
    patch.maxGuests !== undefined,
    patch.maxGuests,
    patch.discounts && JSON.stringify(patch.discounts),
    patch.status,
  ])
  if (!row) throw new DomainError('EXPERIENCE_NOT_FOUND')
  return { experience: experienceOf(row) }
}
