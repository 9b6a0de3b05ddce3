import { reasonOf } from '@holdfast/contracts/errors'
import { AuditAllocations, AuditMoney } from '@holdfast/contracts/messages/reservation'
import { statement } from '@holdfast/db/database'
import { answer } from '@holdfast/messaging/handler'
import type { Parts } from '@holdfast/service/service'
import { hearMoney } from './money.ts'
import { findReservations } from './store.ts'
import type { WakeSettings } from './wake.ts'

/** The questions of those who want to be sure that they were heard. */

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

/** Payment says once more what it knows of some money. What was missed is made up for, by the same steps as its message. */
export const answerMoneyAudit = (
  { database, messaging, logger }: Pick<Parts, 'database' | 'messaging' | 'logger'>,
  wake: WakeSettings,
) =>
  answer(AuditMoney, async ({ facts }) => {
    const byId = new Map(facts.map((each) => [each.reservationId, each]))
    const heard: string[] = []
    for (const reservation of await findReservations(database, [...byId.keys()])) {
      const { id: reservationId } = reservation
      try {
        const after = await hearMoney(messaging, reservation, byId.get(reservationId) ?? nothing(reservationId), wake)
        if (after !== reservation) logger.warn({ reservationId }, 'heard of money only when payment asked about it')
        heard.push(reservationId)
      } catch (error) {
        logger.error({ reservationId, reason: reasonOf(error) }, 'what payment knows of its money cannot be taken in')
      }
    }
    return { heard }
  })

const nothing = (reservationId: string) => ({ reservationId, captures: [], returned: [], failed: [] })
