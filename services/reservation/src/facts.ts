import type { Which } from '@holdfast/contracts/facts'
import { type Queries, statement } from '@holdfast/db/database'
import { told, type WithDates } from '@holdfast/db/told'
import type { ReservationFacts } from '@holdfast/verification/booking'
import type { ReservationsOnRecord } from '@holdfast/verification/side-by-side'

/** What the reservation service has on record, to be held against what the others have. */

const clock = statement<{ now: Date }>('facts.clock', 'select clock_timestamp() as now')

const reservations = (name: string, where: string) =>
  statement<WithDates<ReservationFacts, 'holdExpiresAt' | 'wakeAt' | 'movedAt'>>(
    `facts.reservations-${name}`,
    `select id, status, payment_status as "paymentStatus", payment, seats, number_of_guests as guests,
       time_slot_id as "timeSlotId", total_price as "totalPrice", currency, hold_expires_at as "holdExpiresAt",
       payment_intent_id as "paymentIntentId", captured_minor as "capturedMinor", refunds_due as "refundsDue", refunds,
       wake_at as "wakeAt",
       -- The row is touched by every repetition of a command; the timeline only by what happens.
       case when wake_at is null then updated_at
         else coalesce(
           (select at from timeline t where t.reservation_id = r.id order by t.id desc limit 1), updated_at
         )
       end as "movedAt"
     from reservation r where id ${where} order by id limit $2`,
  )
const reservationsOf = reservations('of', '= any($1::uuid[])')
const reservationsAfter = reservations('after', '> $1::uuid')

export async function readReservations(
  database: Pick<Queries, 'one' | 'many'>,
  which: Which,
): Promise<ReservationsOnRecord> {
  const rows = await ('of' in which
    ? database.many(reservationsOf, [which.of, which.of.length])
    : database.many(reservationsAfter, [which.after, which.limit]))
  // After the rows: nothing in them is younger than now.
  const { now } = await database.one(clock)
  return { now: now.toISOString(), reservations: rows.map(told) }
}
