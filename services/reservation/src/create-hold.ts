import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError } from '@holdfast/contracts/errors'
import { send } from '@holdfast/contracts/message'
import { AllocateSeats, ReleaseSeats } from '@holdfast/contracts/messages/inventory'
import type { createHold as route } from '@holdfast/contracts/routes/reservations'
import { violatedConstraint } from '@holdfast/db/database'
import {
  answerIn,
  answerOf,
  type IdempotencyKey,
  isStorable,
  storedAnswer,
  storeFirstAnswer,
} from '@holdfast/http/idempotency'
import { type Call, Replay } from '@holdfast/http/server'
import { derivedId } from '@holdfast/runtime/derived-id'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import { type Allocated, composeHold, type Hold } from './hold.ts'
import { createLook, createWriter, rowOf } from './hold-store.ts'

/**
 * A hold costs two commits: inventory allocates the seats, then one statement here writes the reservation, the answer to
 * its idempotency key, the first line of its timeline and the message that arms its timer. The reservation's id is derived
 * from the key and the body, so whoever retries speaks of the same seats.
 */

type Answer = z.input<typeof route.reply>

interface Deps extends Pick<Parts, 'database' | 'messaging' | 'logger'> {
  readonly maxActiveHoldsPerSlot: number
}

/** How long a second request with the same key waits for the first one in this process. */
const waitMs = 2_000

export function createHold({ database, messaging, logger, maxActiveHoldsPerSlot }: Deps) {
  const running = new Map<string, Promise<unknown>>()
  const lookAt = createLook(database, logger, maxActiveHoldsPerSlot)
  const writeRow = createWriter(database, messaging, logger, maxActiveHoldsPerSlot)

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
    const before = await lookAt({ keyId: key.id, userId: call.user.id, timeSlotId: call.body.timeSlotId })
    const stored = before.requestHash && answerIn({ ...before, requestHash: before.requestHash }, key)
    if (stored) return new Replay(stored)
    const reservationId = derivedId(`reservation:${key.id}:${key.requestHash.toString('hex')}`)
    try {
      if (before.activeHolds >= maxActiveHoldsPerSlot) throw tooManyHolds(maxActiveHoldsPerSlot)
      const allocated = await allocate(call, reservationId)
      return await writeHold(call, key, composeHold(reservationId, allocated, before.now))
    } catch (error) {
      if (!isStorable(error) || key.isAnswered) throw error
      const earlier = await storeFirstAnswer(database, key, answerOf(error, call.request.id))
      if (earlier) return new Replay(earlier)
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
    const refusal = tooManyHolds(maxActiveHoldsPerSlot)
    try {
      const row = rowOf(call, key, hold, answerOf(refusal, call.request.id))
      const [timeout, release] = [messaging.prepare(hold.timeout), messaging.prepare(hold.release)]
      if (await writeRow({ row, timeout, release })) return hold.answer
    } catch (error) {
      if (violatedConstraint(error) === undefined) throw error
      return await yieldToFirst(key, hold.reservationId)
    }
    // Looked at before, there was still a place: others were faster. The refusal is on record.
    key.isAnswered = true
    throw refusal
  }

  /**
   * Somebody was faster. With the same body it was a retry of this hold on another instance, and its answer is ours. Where
   * that answer was an error, or the key belongs to another body, the seats that were just allocated are nobody's. No
   * answer at all means a tombstone: inventory has given the seats back.
   */
  async function yieldToFirst(key: IdempotencyKey, reservationId: string): Promise<Replay> {
    try {
      const stored = await storedAnswer(database, key)
      if (stored?.status === 200) return new Replay(stored)
      await giveBack(reservationId)
      if (stored) return new Replay(stored)
    } catch (error) {
      // Only this error says that the seats are nobody's. A database that is away says nothing: they may be the first one's.
      if (error instanceof DomainError && error.code === 'IDEMPOTENCY_KEY_REUSED') await giveBack(reservationId)
      throw error
    }
    throw new DomainError('HOLD_EXPIRED')
  }

  async function giveBack(reservationId: string): Promise<void> {
    await messaging.transact(async (tx) => tx.say(send(ReleaseSeats, { reservationId })))
  }
}

const tooManyHolds = (limit: number) =>
  new DomainError('TIME_SLOT_NOT_AVAILABLE', { limit }, 'You hold too many places of this time slot already')
