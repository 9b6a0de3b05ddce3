import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError } from '@holdfast/contracts/errors'
import { type Message, send } from '@holdfast/contracts/message'
import { AllocateSeats, ReleaseSeats } from '@holdfast/contracts/messages/inventory'
import { ScheduleTimeout } from '@holdfast/contracts/messages/timeout'
import type { createHold as route } from '@holdfast/contracts/routes/reservations'
import { statement, violatedConstraint } from '@holdfast/db/database'
import {
  answerIn,
  answerOf,
  type IdempotencyKey,
  isStorable,
  type StoredRow,
  storeAnswer,
  storedAnswer,
} from '@holdfast/http/idempotency'
import { type Call, Replay } from '@holdfast/http/server'
import { derivedId } from '@holdfast/runtime/derived-id'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import { causeOfNow } from './store.ts'

/**
 * A hold costs two commits: inventory allocates the seats, then one statement here writes the reservation, the answer to
 * its idempotency key, the first line of its timeline and the message that arms its timer. The reservation's id is derived
 * from the key and the body, so whoever retries speaks of the same seats.
 */

type Answer = z.input<typeof route.reply>
type Allocated = Extract<z.infer<typeof AllocateSeats.reply>, { outcome: 'allocated' }>

interface Deps extends Pick<Parts, 'database' | 'messaging'> {
  readonly maxActiveHoldsPerSlot: number
}

/** How long a second request with the same key waits for the first one in this process. */
const waitMs = 2_000

export function createHold({ database, messaging, maxActiveHoldsPerSlot }: Deps) {
  const running = new Map<string, Promise<unknown>>()

  return async (call: Call<typeof route>): Promise<Answer | Replay> => {
    const { key } = call
    if (!key) throw new DomainError('IDEMPOTENCY_KEY_REQUIRED')
    const first = running.get(key.id)
    if (first !== undefined) {
      const ended = await Promise.race([first.then(() => true), sleep(waitMs, false)])
      if (!ended) throw new DomainError('IDEMPOTENCY_KEY_IN_USE')
    }
    const work = holdOnce(call, key)
    const settled = work.catch(() => {})
    running.set(key.id, settled)
    try {
      return await work
    } finally {
      if (running.get(key.id) === settled) running.delete(key.id)
    }
  }

  async function holdOnce(call: Call<typeof route>, key: IdempotencyKey): Promise<Answer | Replay> {
    const before = await database.one(look, [key.id, call.user.id, call.body.timeSlotId, maxActiveHoldsPerSlot])
    const stored = before.requestHash && answerIn({ ...before, requestHash: before.requestHash }, key)
    if (stored) return new Replay(stored)
    const reservationId = derivedId(`reservation:${key.id}:${key.requestHash.toString('hex')}`)
    try {
      if (before.activeHolds >= maxActiveHoldsPerSlot) throw tooManyHolds(maxActiveHoldsPerSlot)
      const allocated = await allocate(call, reservationId)
      return await writeHold(call, key, composeHold(reservationId, allocated, before.now))
    } catch (error) {
      if (isStorable(error)) await storeAnswer(database, key, answerOf(error, call.request.id))
      throw error
    }
  }

  async function allocate({ body }: Call<typeof route>, reservationId: string): Promise<Allocated> {
    const { experienceId, timeSlotId, numberOfGuests: guests } = body
    const reply = await messaging.ask(AllocateSeats, { reservationId, experienceId, timeSlotId, guests })
    switch (reply.outcome) {
      case 'allocated':
        return reply
      case 'slot_not_found':
        throw new DomainError('TIME_SLOT_NOT_FOUND')
      case 'slot_not_available':
        throw new DomainError('TIME_SLOT_NOT_AVAILABLE')
      case 'not_enough_capacity':
        throw new DomainError('NOT_ENOUGH_CAPACITY', { available: reply.available })
      case 'too_many_guests':
        throw new DomainError('VALIDATION_ERROR', [
          { path: 'body.numberOfGuests', message: `must be at most ${reply.maxGuests} for this experience` },
        ])
      case 'released':
        // A retry that came after inventory had found and freed the seats of its first try.
        throw new DomainError('HOLD_EXPIRED')
    }
  }

  async function writeHold(call: Call<typeof route>, key: IdempotencyKey, hold: Hold): Promise<Answer | Replay> {
    try {
      await messaging.tell([hold.timeout], (outbox) => database.run(insert, insertValues(call, key, hold, outbox)))
      return hold.answer
    } catch (error) {
      if (violatedConstraint(error) === undefined) throw error
      return await yieldToFirst(key, hold.reservationId)
    }
  }

  /**
   * Somebody was faster. With the same body, it was a retry of this hold on another instance: its answer is ours. With
   * another body, these seats are nobody's. A tombstone means that inventory has given the seats back.
   */
  async function yieldToFirst(key: IdempotencyKey, reservationId: string): Promise<Replay> {
    try {
      const stored = await storedAnswer(database, key)
      if (stored) return new Replay(stored)
    } catch (error) {
      await messaging.transact(async (tx) => tx.say(send(ReleaseSeats, { reservationId })))
      throw error
    }
    throw new DomainError('HOLD_EXPIRED')
  }
}

interface Hold {
  readonly reservationId: string
  readonly allocated: Allocated
  readonly now: Date
  readonly holdExpiresAt: Date
  readonly answer: Answer
  readonly timeout: Message
}

function composeHold(reservationId: string, allocated: Allocated, now: Date): Hold {
  const { price, experience } = allocated
  const { holdSeconds, currency } = experience
  const { totalPrice, originalPrice, discountApplied, appliedDiscounts } = price
  const holdExpiresAt = new Date(now.getTime() + holdSeconds * 1_000)
  const dueAt = holdExpiresAt.toISOString()
  return {
    reservationId,
    allocated,
    now,
    holdExpiresAt,
    answer: {
      reservation: {
        id: reservationId,
        status: 'held',
        holdExpiresAt: dueAt,
        totalPrice,
        originalPrice,
        discountApplied,
        currency,
      },
      appliedDiscounts,
      holdDurationMinutes: holdSeconds / 60,
    },
    timeout: send(ScheduleTimeout, { reservationId, dueAt, delaySeconds: holdSeconds }),
  }
}

const tooManyHolds = (limit: number) =>
  new DomainError('TIME_SLOT_NOT_AVAILABLE', { limit }, 'You hold too many places of this time slot already')

/** Everything a hold needs to know of this database, in one question. */
const look = statement<
  { now: Date; activeHolds: number } & (StoredRow | { requestHash: null; status: null; body: null })
>(
  'hold.look',
  `select date_trunc('milliseconds', clock_timestamp()) as now, active."activeHolds",
     k.request_hash as "requestHash", k.status, k.body
   from (select count(*)::int as "activeHolds" from (
     select 1 from reservation
     where user_id = $2 and time_slot_id = $3 and status in ('held', 'pending') limit $4
   ) as theirs) as active
   left join idempotency_key k on k.id = $1`,
)

const insert = statement(
  'hold.insert',
  `with identity as (insert into reservation_id (id) values ($1)),
   line as (
     insert into timeline (reservation_id, at, type, to_status, message_id, causation_id, details)
     values ($1, $17, 'held', 'held', $18, $19, $20)
   ),
   answer as (insert into idempotency_key (id, request_hash, status, body) values ($21, $22, 200, $23)),
   told as (
     insert into outbox (id, exchange, routing_key, envelope)
     select * from unnest($24::uuid[], $25::text[], $26::text[], $27::jsonb[])
   )
   insert into reservation (
     id, user_id, experience_id, time_slot_id, status, payment_status, payment, seats,
     number_of_guests, guest_name, guest_email, guest_phone, special_requests,
     original_price, discount_applied, total_price, currency, experience, time_slot,
     hold_expires_at, wake_at, created_at, updated_at)
   values ($1, $2, $3, $4, 'held', 'unpaid', 'none', 'held',
     $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, $17, $17)`,
)

function insertValues(
  { body, user }: Call<typeof route>,
  key: IdempotencyKey,
  hold: Hold,
  outbox: readonly unknown[],
): unknown[] {
  const { price, experience, timeSlot } = hold.allocated
  return [
    ...[hold.reservationId, user.id, body.experienceId, body.timeSlotId],
    ...[body.numberOfGuests, body.guestName, body.guestEmail, body.guestPhone ?? null, body.specialRequests ?? null],
    ...[price.originalPrice, price.discountApplied, price.totalPrice, experience.currency],
    ...[JSON.stringify(experience), JSON.stringify(timeSlot), hold.holdExpiresAt, hold.now],
    ...[...causeOfNow(), JSON.stringify({ guests: body.numberOfGuests, totalPrice: price.totalPrice })],
    ...[key.id, key.requestHash, JSON.stringify(hold.answer)],
    ...outbox,
  ]
}
