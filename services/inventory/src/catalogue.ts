import { DomainError } from '@holdfast/contracts/errors'
import type { getTimeSlot, listExperiences, listTimeSlots } from '@holdfast/contracts/routes/catalog'
import type { Experience } from '@holdfast/contracts/values'
import type { Reads } from '@holdfast/db/reads'
import { type PrimitiveValueExpression, type QuerySqlToken, sql } from 'slonik'
import { z } from 'zod'
import { priceOf } from './pricing.ts'
import { ExperienceRow, experienceOf, TimeSlotRow, timeSlotOf } from './store.ts'

type Reply<Route extends { reply: z.ZodType }> = z.input<Route['reply']>

/** What guests read. */
export interface Catalogue {
  experiences(page: Page): Promise<Reply<typeof listExperiences>>
  experience(id: string): Promise<{ experience: Experience }>
  timeSlots(experienceId: string, query: SlotQuery): Promise<Reply<typeof listTimeSlots>>
  timeSlot(id: string, guests: number | undefined): Promise<Reply<typeof getTimeSlot>>
}

interface Page {
  readonly limit: number
  readonly offset: number
}
type SlotQuery = z.output<typeof listTimeSlots.query & z.ZodType>

const Total = z.object({ total: z.number() })
/** A slot with what of its experience prices it, and the database's clock. */
const PricedRow = TimeSlotRow.extend({
  experience: ExperienceRow.pick({ currency: true, price_per_guest: true, max_guests: true, discounts: true }),
  now: z.date(),
})
type PricedRow = z.infer<typeof PricedRow>

const pricedSlot = sql.fragment`
  select s.*, to_jsonb(e) as experience, now() as now
  from time_slot s join experience e on e.id = s.experience_id`

export function openCatalogue(reads: Reads): Catalogue {
  const page = async <Row extends z.ZodType<object>>(
    rows: QuerySqlToken<Row>,
    count: QuerySqlToken<typeof Total>,
    { limit, offset }: Page,
  ) => {
    const [found, { total }] = await Promise.all([reads.any(rows), reads.one(count)])
    return { found, pagination: { total, limit, offset, hasMore: offset + found.length < total } }
  }

  const findExperience = async (id: string) => {
    const row = await reads.maybeOne(sql.type(ExperienceRow)`select * from experience where id = ${id}`)
    if (!row) throw new DomainError('EXPERIENCE_NOT_FOUND')
    return row
  }

  return {
    experiences: async (query) => {
      const { found, pagination } = await page(
        sql.type(ExperienceRow)`
          select * from experience where status = 'active'
          order by created_at desc, id desc limit ${query.limit} offset ${query.offset}`,
        sql.type(Total)`select count(*) as total from experience where status = 'active'`,
        query,
      )
      return { experiences: found.map(experienceOf), pagination }
    },

    // An archived one too: whoever has booked it wants to see it.
    experience: async (id) => ({ experience: experienceOf(await findExperience(id)) }),

    timeSlots: async (experienceId, query) => {
      const experience = await findExperience(experienceId)
      assertPartySize(query.guests, experience)
      const among = sql.fragment`
        s.experience_id = ${experienceId}
        and s.starts_at >= coalesce(${orNull(query.from)}::timestamptz, now())
        and s.starts_at <= coalesce(${orNull(query.to)}::timestamptz, 'infinity')`
      const { found, pagination } = await page(
        sql.type(PricedRow)`
          ${pricedSlot} where ${among} order by s.starts_at, s.id limit ${query.limit} offset ${query.offset}`,
        sql.type(Total)`select count(*) as total from time_slot s where ${among}`,
        query,
      )
      return { timeSlots: found.map((row) => pricedSlotOf(row, query.guests)), pagination }
    },

    timeSlot: async (id, guests) => {
      const row = await reads.maybeOne(sql.type(PricedRow)`${pricedSlot} where s.id = ${id}`)
      if (!row) throw new DomainError('TIME_SLOT_NOT_FOUND')
      assertPartySize(guests, row.experience)
      return { timeSlot: pricedSlotOf(row, guests) }
    },
  }
}

const orNull = (value: string | undefined): PrimitiveValueExpression => value ?? null

function assertPartySize(guests: number | undefined, { max_guests }: { max_guests: number | null }): void {
  if (guests !== undefined && max_guests !== null && guests > max_guests)
    throw new DomainError('VALIDATION_ERROR', [
      { path: 'querystring.guests', message: `must be at most ${max_guests} for this experience` },
    ])
}

/** The price as a hold made now would have it. */
function pricedSlotOf(row: PricedRow, guests: number | undefined) {
  const slot = timeSlotOf(row, row.experience)
  if (guests === undefined) return slot
  const terms = {
    pricePerGuest: slot.pricePerGuest,
    discounts: row.experience.discounts,
    startsAt: row.starts_at.getTime(),
    allocatedAt: row.now.getTime(),
  }
  return { ...slot, price: priceOf(terms, guests) }
}
