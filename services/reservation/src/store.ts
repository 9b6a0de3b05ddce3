import { type Queries, statement } from '@holdfast/db/database'
import type { Transaction } from '@holdfast/messaging/transaction'
import { currentContext } from '@holdfast/runtime/context'
import { sql } from 'slonik'
import { newlyOutstanding } from './booking-commands.ts'
import { mayFollow, type Reservation, type Step } from './reservation.ts'
import { type WakeSettings, wakeAt } from './wake.ts'

/** The reservation's rows: read under lock, decide, write with the timeline. All the saga's writes go through `advance`. */

/** One list for both doors: lists are read by slonik, all else by name as prepared statements. */
export const columnList = sql.fragment`
  id, user_id as "userId", experience_id as "experienceId", time_slot_id as "timeSlotId",
  status, payment_status as "paymentStatus", payment, seats, close_reason as "closeReason",
  closing_since as "closingSince", number_of_guests as "numberOfGuests", guest_name as "guestName",
  guest_email as "guestEmail", guest_phone as "guestPhone", special_requests as "specialRequests",
  original_price as "originalPrice", discount_applied as "discountApplied", total_price as "totalPrice",
  currency, experience, time_slot as "timeSlot", hold_expires_at as "holdExpiresAt", attempt,
  converted_at as "convertedAt", poll_round as "pollRound", payment_intent_id as "paymentIntentId",
  payment_revision as "paymentRevision", payment_id as "paymentId", charge_id as "chargeId",
  captured_minor as "capturedMinor", refunds_due as "refundsDue", refunds, outcome,
  reservation_reference as "reservationReference", wake_at as "wakeAt", repeats,
  created_at as "createdAt", updated_at as "updatedAt"`
const columns = columnList.sql

/** A reservation and the database's clock, to the millisecond that the API shows. */
export type Seen = Reservation & { readonly now: Date }

const clock = `date_trunc('milliseconds', clock_timestamp()) as now`

// The clock is read outside the locked row's query: inside, it would be read before the wait for the lock.
const lock = statement<Seen>(
  'reservation.lock',
  `with locked as materialized (select ${columns} from reservation where id = $1 for update)
   select locked.*, ${clock} from locked`,
)
const find = statement<Seen>(
  'reservation.find',
  `select ${columns}, ${clock} from reservation where id = $1 and user_id = $2`,
)
const findAll = statement<Seen>(
  'reservation.find-all',
  `select ${columns}, ${clock} from reservation where id = any($1::uuid[])`,
)
const save = statement(
  'reservation.save',
  `with line as (
     insert into timeline (reservation_id, at, type, from_status, to_status, message_id, causation_id, details)
     select $1, $2, $25, $26, $3, $27, $28, $29 where $25::text is not null
   )
   update reservation set
     updated_at = $2, status = $3, payment_status = $4, payment = $5, seats = $6, close_reason = $7, closing_since = $8,
     attempt = $9, converted_at = $10, poll_round = $11, payment_intent_id = $12, payment_revision = $13,
     payment_id = $14, charge_id = $15, captured_minor = $16, refunds_due = $17, refunds = $18, outcome = $19,
     reservation_reference = $20, wake_at = $21, repeats = $22, hold_expires_at = $23
   where id = $1 and status = $24`,
)

/** One user's reservation as it is now, without a lock. Somebody else's does not exist. */
export const findReservation = (queries: Queries, id: string, userId: string): Promise<Seen | undefined> =>
  queries.maybeOne(find, [id, userId])

/** These reservations, whoever's they are, without a lock. */
export const findReservations = (queries: Queries, ids: readonly string[]): Promise<Seen[]> =>
  queries.many(findAll, [ids])

export const lockReservation = (tx: Queries, id: string): Promise<Seen | undefined> => tx.maybeOne(lock, [id])

/**
 * Locks a reservation, decides, and writes what has changed: the row, its line in the timeline, and what has to be told
 * to others. Returns the reservation as it then is.
 */
export async function advance(
  tx: Transaction,
  reservationId: string,
  settings: WakeSettings,
  decide: (reservation: Reservation, now: Date) => Step,
): Promise<Seen> {
  const before = await lockReservation(tx, reservationId)
  // Payment and inventory only ever speak of reservations that were written before they were asked.
  if (!before) throw new Error(`there is no reservation ${reservationId}`)
  const step = decide(before, before.now)
  if (step.reservation === before) return before
  await write(tx, before, step, settings)
  return { ...step.reservation, now: before.now }
}

/** The same for a row that the caller has locked already. */
export async function write(tx: Transaction, before: Seen, step: Step, settings: WakeSettings): Promise<void> {
  const { now } = before
  const after = step.reservation
  if (!mayFollow(before.status, after.status))
    throw new Error(`a reservation can't go from ${before.status} to ${after.status}`)
  const said = newlyOutstanding(before, after)
  const repeats = said.length > 0 ? 0 : after.repeats
  tx.say(...said)
  const touched = await tx.run(save, [
    ...[after.id, now, after.status, after.paymentStatus, after.payment, after.seats, after.closeReason],
    ...[after.closingSince, after.attempt, after.convertedAt, after.pollRound, after.paymentIntentId],
    ...[after.paymentRevision, after.paymentId, after.chargeId, after.capturedMinor],
    ...[JSON.stringify(after.refundsDue), JSON.stringify(after.refunds), after.outcome, after.reservationReference],
    ...[wakeAt({ ...after, repeats }, now, settings), repeats, after.holdExpiresAt, before.status],
    ...timelineValues(step, before),
  ])
  if (touched !== 1) throw new Error(`reservation ${after.id} was not as it was read`)
}

function timelineValues(step: Step, before: Seen): unknown[] {
  return [step.event ?? null, before.status, ...causeOfNow(), JSON.stringify(step.details ?? {})]
}

/** What the work that is being done was caused by: the message's id and its cause, or the HTTP request's id. */
export function causeOfNow(): [messageId: string | null, causationId: string | null] {
  const context = currentContext()
  if (!context) return [null, null]
  return context.message ? [context.message.id, context.message.causationId ?? null] : [null, context.causationId]
}
