import { AuditAllocations } from '@holdfast/contracts/messages/reservation'
import { statement } from '@holdfast/db/database'
import { answer } from '@holdfast/messaging/handler'
import type { Parts } from '@holdfast/service/service'

/**
 * Inventory asks about seats that nobody has confirmed or released in time. Seats are kept as long as their reservation may
 * still want them; an id that never became a reservation gets a tombstone, so that it never will.
 */
const bury = statement<{ id: string }>(
  'audit.bury',
  'insert into reservation_id (id) select unnest($1::uuid[]) on conflict (id) do nothing returning id',
)
const over = statement<{ id: string }>(
  'audit.over',
  `select id from unnest($1::uuid[]) as asked (id)
   where not exists (
     select 1 from reservation r where r.id = asked.id and r.seats in ('held', 'confirming', 'booked', 'reacquiring')
   )`,
)

export const answerAudit = ({ database }: Pick<Parts, 'database'>) =>
  answer(AuditAllocations, async ({ reservationIds }) => {
    // First the tombstones: from here on no reservation can be written for an id that has none.
    await database.many(bury, [reservationIds])
    const release = await database.many(over, [reservationIds])
    return { release: release.map(({ id }) => id) }
  })
