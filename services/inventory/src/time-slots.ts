import { DomainError } from '@holdfast/contracts/errors'
import type { createTimeSlot, updateTimeSlot } from '@holdfast/contracts/routes/catalog'
import type { TimeSlot } from '@holdfast/contracts/values'
import { type Database, statement, violatedConstraint } from '@holdfast/db/database'
import { type IdempotencyKey, storeAnswer } from '@holdfast/http/idempotency'
import type { z } from 'zod'
import { assertNotEmpty } from './patch.ts'
import { type TimeSlotRow, timeSlotOf } from './store.ts'

type NewTimeSlot = z.output<NonNullable<typeof createTimeSlot.body>>
type TimeSlotPatch = z.output<NonNullable<typeof updateTimeSlot.body>>

interface PricedBy {
  currency: string
  price_per_guest: number
}

const findExperience = statement<PricedBy & { now: Date }>(
  'time-slot.experience',
  'select currency, price_per_guest, now() as now from experience where id = $1',
)
const insert = statement<TimeSlotRow>(
  'time-slot.insert',
  `insert into time_slot (experience_id, starts_at, ends_at, capacity, price_per_guest) values ($1, $2, $3, $4, $5)
   returning *`,
)

export async function addTimeSlot(
  database: Database,
  experienceId: string,
  wanted: NewTimeSlot,
  key: IdempotencyKey | undefined,
): Promise<{ timeSlot: TimeSlot }> {
  return database.transaction(async (tx) => {
    const experience = await tx.maybeOne(findExperience, [experienceId])
    if (!experience) throw new DomainError('EXPERIENCE_NOT_FOUND')
    assertTimes(wanted, experience.now)
    const row = await tx.one(insert, [
      experienceId,
      wanted.startsAt,
      wanted.endsAt,
      wanted.capacity,
      wanted.pricePerGuest ?? null,
    ])
    const body = { timeSlot: timeSlotOf(row, experience) }
    if (key) await storeAnswer(tx, key, { status: 201, body })
    return body
  })
}

function assertTimes({ startsAt, endsAt }: NewTimeSlot, now: Date): void {
  const faults = [
    ...(Date.parse(startsAt) > now.getTime() ? [] : [{ path: 'body.startsAt', message: 'must be in the future' }]),
    ...(Date.parse(endsAt) > Date.parse(startsAt) ? [] : [{ path: 'body.endsAt', message: 'must be after startsAt' }]),
  ]
  if (faults.length > 0) throw new DomainError('VALIDATION_ERROR', faults)
}

const update = statement<TimeSlotRow & { experience: PricedBy }>(
  'time-slot.update',
  `update time_slot s set
     capacity = coalesce($2, s.capacity), status = coalesce($3, s.status),
     price_per_guest = case when $4 then $5 else s.price_per_guest end
   from experience e where s.id = $1 and e.id = s.experience_id
   returning s.*, to_jsonb(e) as experience`,
)

export async function changeTimeSlot(
  database: Database,
  id: string,
  patch: TimeSlotPatch,
): Promise<{ timeSlot: TimeSlot }> {
  assertNotEmpty(patch)
  // Null goes back to the experience's price; that is not the same as leaving it alone.
  const values = [id, patch.capacity, patch.status, patch.pricePerGuest !== undefined, patch.pricePerGuest]
  try {
    const row = await database.maybeOne(update, values)
    if (!row) throw new DomainError('TIME_SLOT_NOT_FOUND')
    return { timeSlot: timeSlotOf(row, row.experience) }
  } catch (error) {
    if (violatedConstraint(error) === 'time_slot_seats') throw new DomainError('CAPACITY_IN_USE')
    throw error
  }
}
