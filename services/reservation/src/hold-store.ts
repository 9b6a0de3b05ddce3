import { errors } from '@holdfast/contracts/errors'
import type { createHold } from '@holdfast/contracts/routes/reservations'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import type { IdempotencyKey, StoredAnswer, StoredRow } from '@holdfast/http/idempotency'
import type { Call } from '@holdfast/http/server'
import type { Messaging } from '@holdfast/messaging/messaging'
import { type OutboxRow, outboxColumns } from '@holdfast/messaging/outbox'
import { createBatcher } from '@holdfast/runtime/batcher'
import type { Logger } from '@holdfast/runtime/logger'
import type { Hold } from './hold.ts'
import { causeOfNow } from './store.ts'

/** The hot path's two statements, each for all holds that have queued up while the last one ran. */

/** Holds in one statement. */
const batchLimit = 100

/** Everything a hold needs to know of this database, in one question. */
interface Question {
  readonly keyId: string
  readonly userId: string
  readonly timeSlotId: string
}
type Before = { now: Date; activeHolds: number } & (StoredRow | { requestHash: null; status: null; body: null })

const look = statement<Before>(
  'hold.look',
  `select date_trunc('milliseconds', clock_timestamp()) as now, active."activeHolds",
     k.request_hash as "requestHash", k.status, k.body
   from unnest($1::uuid[], $2::text[], $3::uuid[]) with ordinality as asked (key_id, user_id, time_slot_id, n)
   cross join lateral (select count(*)::int as "activeHolds" from (
     select 1 from reservation r
     where r.user_id = asked.user_id and r.time_slot_id = asked.time_slot_id and r.status in ('held', 'pending') limit $4
   ) as theirs) as active
   left join idempotency_key k on k.id = asked.key_id
   order by asked.n`,
)

export function createLook(database: Database, logger: Logger, limit: number): (question: Question) => Promise<Before> {
  const ask = (questions: readonly Question[]) =>
    database.many(look, [
      questions.map(({ keyId }) => keyId),
      questions.map(({ userId }) => userId),
      questions.map(({ timeSlotId }) => timeSlotId),
      limit,
    ])
  return createBatcher<Question, Before>({
    name: 'looking before a hold',
    limit: batchLimit,
    logger,
    runAll: ask,
    runOne: async (question) => {
      const [before] = await ask([question])
      if (!before) throw new Error('hold.look answers each question')
      return before
    },
  })
}

/**
 * Each hold is written with all that belongs to it, unless its guest has as many as one may have. A refused one leaves its
 * answer, word to inventory that its seats are free, and its id, so that no retry can take them again. The limit is exact across instances:
 * a guest's places on a slot are counted under a lock that lasts until the commit. Locks are taken in one order and before
 * anything is written, so that two batches cannot wait for each other.
 */
const insert = statement<{ isWithinLimit: boolean }>(
  'hold.insert',
  `with hold as materialized (
     select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[],
       $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::jsonb[], $15::jsonb[],
       $16::timestamptz[], $17::timestamptz[], $18::text[], $19::text[], $20::jsonb[], $21::uuid[], $22::bytea[],
       $23::text[], $24::text[], $25::uuid[], $26::text[], $27::text[], $28::jsonb[], $29::uuid[], $30::text[], $31::text[],
       $32::jsonb[]) with ordinality
     as h (id, user_id, experience_id, time_slot_id, guests, name, email, phone, requests, original, discount, total,
       currency, experience, time_slot, expires_at, now, message_id, causation_id, details, key_id, request_hash, answer,
       refusal, timeout_id, timeout_exchange, timeout_key, timeout, release_id, release_exchange, release_key, release, n)
   ),
   theirs as materialized (
     select user_id, time_slot_id, lock_active_holds(user_id, time_slot_id, $33) as active
     from (select distinct user_id, time_slot_id from hold order by user_id, time_slot_id) as guest
   ),
   judged as materialized (
     select hold.*, active + row_number() over (partition by user_id, time_slot_id order by n) <= $33 as fits
     from hold join theirs using (user_id, time_slot_id)
   ),
   identity as (insert into reservation_id (id) select id from judged),
   line as (
     insert into timeline (reservation_id, at, type, to_status, message_id, causation_id, details)
     select id, now, 'held', 'held', message_id, causation_id, details from judged where fits
   ),
   answer as (
     insert into idempotency_key (id, request_hash, status, body)
     select key_id, request_hash, case when fits then 200 else ${errors.TIME_SLOT_NOT_AVAILABLE.status} end,
       (case when fits then answer else refusal end)::json from judged
   ),
   told as (
     insert into outbox (id, exchange, routing_key, envelope)
     select timeout_id, timeout_exchange, timeout_key, timeout from judged where fits
     union all select release_id, release_exchange, release_key, release from judged where not fits
   ),
   written as (
     insert into reservation (
       id, user_id, experience_id, time_slot_id, status, payment_status, payment, seats,
       number_of_guests, guest_name, guest_email, guest_phone, special_requests,
       original_price, discount_applied, total_price, currency, experience, time_slot,
       hold_expires_at, wake_at, created_at, updated_at)
     select id, user_id, experience_id, time_slot_id, 'held', 'unpaid', 'none', 'held', guests, name, email, phone,
       requests, original, discount, total, currency, experience, time_slot, expires_at, expires_at, now, now
     from judged where fits
   )
   select fits as "isWithinLimit" from judged order by n`,
)

/** The columns of one hold, in the order of the statement's first 24 parameters; made in the context of its request. */
type Row = readonly unknown[]

/** `refusal` is the answer that is kept when the guest has too many holds already. */
export function rowOf(
  { body, user }: Call<typeof createHold>,
  key: IdempotencyKey,
  hold: Hold,
  refusal: StoredAnswer,
): Row {
  const { price, experience, timeSlot } = hold.allocated
  return [
    ...[hold.reservationId, user.id, body.experienceId, body.timeSlotId],
    ...[body.numberOfGuests, body.guestName, body.guestEmail, body.guestPhone ?? null, body.specialRequests ?? null],
    ...[price.originalPrice, price.discountApplied, price.totalPrice, experience.currency],
    ...[JSON.stringify(experience), JSON.stringify(timeSlot), hold.holdExpiresAt, hold.now],
    ...[...causeOfNow(), JSON.stringify({ guests: body.numberOfGuests, totalPrice: price.totalPrice })],
    ...[key.id, key.requestHash, JSON.stringify(hold.answer), JSON.stringify(refusal.body)],
  ]
}

interface NewHold {
  readonly row: Row
  readonly timeout: OutboxRow
  /** Told instead of the timeout when the hold is refused. */
  readonly release: OutboxRow
}

/** Answers whether the hold was written; false says that its guest has as many as one may have. */
export function createWriter(
  database: Database,
  messaging: Messaging,
  logger: Logger,
  limit: number,
): (hold: NewHold) => Promise<boolean> {
  async function writeAll(holds: readonly NewHold[], many: Queries['many'] = database.many): Promise<boolean[]> {
    const timeouts = outboxColumns(holds.map(({ timeout }) => timeout))
    const releases = outboxColumns(holds.map(({ release }) => release))
    const rows = await messaging.tell(
      () => many(insert, [...columnsOf(holds), ...timeouts, ...releases, limit]),
      (written) => holds.map(({ timeout, release }, n) => (written[n]?.isWithinLimit ? timeout : release)),
    )
    return rows.map(({ isWithinLimit }) => isWithinLimit)
  }
  return createBatcher<NewHold, boolean>({
    name: 'writing holds',
    limit: batchLimit,
    logger,
    runAll: (holds) => writeAll(holds),
    // In a transaction, which is run again where Postgres finds a deadlock.
    runOne: async (hold) => {
      const [written] = await writeAll([hold], (query, values) => database.transaction((tx) => tx.many(query, values)))
      return written === true
    },
  })
}

function columnsOf(holds: readonly NewHold[]): unknown[][] {
  const width = holds[0]?.row.length ?? 0
  return Array.from({ length: width }, (_, column) => holds.map(({ row }) => row[column]))
}
