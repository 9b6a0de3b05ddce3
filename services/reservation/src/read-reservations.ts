import { DomainError } from '@holdfast/contracts/errors'
import type { getReservation, getTimeline, listReservations } from '@holdfast/contracts/routes/reservations'
import { ReservationStatus } from '@holdfast/contracts/values'
import type { Call } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import { sql } from 'slonik'
import { z } from 'zod'
import { columnList, findReservation, type Seen } from './store.ts'
import { viewOf } from './view.ts'

/** What the guest reads: one reservation, all of them, and the story of one. */

type Reader = Pick<Parts, 'database' | 'reads'>

export function readReservation({ database }: Reader) {
  return async ({ params, user }: Call<typeof getReservation>) => {
    const reservation = await findReservation(database, params.id, user.id)
    if (!reservation) throw new DomainError('RESERVATION_NOT_FOUND')
    return { reservation: viewOf(reservation, reservation.now) }
  }
}

const Count = z.object({ total: z.number() })
// The columns are this service's own and read nowhere else as types; what leaves is checked by the route's schema.
const Row = z.custom<Seen>((row) => typeof row === 'object' && row !== null)

/** The status as `seenAt` (reservation.ts) tells it: a filter must find what a reader would see. */
const seenStatus = sql.fragment`case
  when status in ('held', 'pending') and hold_expires_at <= clock_timestamp()
    then case when payment = 'none' then 'expired' else 'pending' end
  else status end`

export function listOfReservations({ reads }: Reader) {
  return async ({ query, user }: Call<typeof listReservations>) => {
    const { limit, offset, status } = query
    const own = status
      ? sql.fragment`user_id = ${user.id} and ${seenStatus} = any(${sql.array(status, 'text')})`
      : sql.fragment`user_id = ${user.id}`
    const [total, rows] = await Promise.all([
      reads.oneFirst(sql.type(Count)`select count(*) as total from reservation where ${own}`),
      reads.any(sql.type(Row)`
          select ${columnList}, date_trunc('milliseconds', clock_timestamp()) as now
          from reservation where ${own}
          order by created_at desc, id desc limit ${limit} offset ${offset}`),
    ])
    return {
      reservations: rows.map((row) => viewOf(row, row.now)),
      pagination: { total, limit, offset, hasMore: offset + rows.length < total },
    }
  }
}

const Line = z.object({
  at: z.date(),
  type: z.string(),
  from: ReservationStatus.nullable(),
  to: ReservationStatus,
  messageId: z.string().nullable(),
  causationId: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
})
/** More steps than any booking takes; a limit all the same. */
const longestTimeline = 1_000

export function timelineOf({ database, reads }: Reader) {
  return async ({ params, user }: Call<typeof getTimeline>) => {
    if (!(await findReservation(database, params.id, user.id))) throw new DomainError('RESERVATION_NOT_FOUND')
    const lines = await reads.any(sql.type(Line)`
        select at, type, from_status as "from", to_status as "to", message_id as "messageId",
          causation_id as "causationId", details
        from timeline where reservation_id = ${params.id} order by id limit ${longestTimeline}`)
    return { timeline: lines.map((line) => ({ ...line, at: line.at.toISOString() })) }
  }
}
