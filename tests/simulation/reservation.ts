import { createHash } from 'node:crypto'
import { DomainError } from '../../libs/contracts/src/errors.ts'
import { SettlePayment } from '../../libs/contracts/src/messages/payment.ts'
import type { Database } from '../../libs/db/src/database.ts'
import {
  answerOf,
  type IdempotencyKey,
  isStorable,
  releaseIdempotent,
  storeAnswer,
  storedAnswer,
} from '../../libs/http/src/idempotency.ts'
import { derivedId } from '../../libs/runtime/src/derived-id.ts'
import { answerAudit, answerMoneyAudit } from '../../services/reservation/src/audit.ts'
import { whenPaymentCaptured, whenReleased } from '../../services/reservation/src/booking-saga.ts'
import { convertHold } from '../../services/reservation/src/convert-hold.ts'
import { createHold } from '../../services/reservation/src/create-hold.ts'
import { handlers } from '../../services/reservation/src/handlers.ts'
import { paymentStatus } from '../../services/reservation/src/payment-status.ts'
import { newReference } from '../../services/reservation/src/reference.ts'
import { isOver } from '../../services/reservation/src/reservation.ts'
import { advance, findReservation, lockReservation, write } from '../../services/reservation/src/store.ts'
import { wake } from '../../services/reservation/src/sweep.ts'
import type { WakeSettings } from '../../services/reservation/src/wake.ts'
import { named, openDatabase, type Server } from './database.ts'
import { openMessaging } from './messaging.ts'
import type { Process } from './process.ts'
import { BrokenPromise } from './promises.ts'
import type { ReservationTables } from './tables-reservation.ts'
import type { World } from './world.ts'

/**
 * One instance of the reservation service. Real: the saga, its handlers, wake.ts, store.ts, what the sweep does with a row,
 * the audits, and the use cases hold, convert and payment-status. Mirrored, because they sleep or need fastify: release-hold.ts
 * and confirm-reservation.ts without their waiting, and `runOnce` (libs/http/server.ts).
 */
export function startReservation(
  world: World,
  process: Process,
  server: Server,
  tables: ReservationTables,
  settings: WakeSettings,
) {
  const database = openDatabase(world, process, server)
  const messaging = openMessaging(world, process, 'reservation', database, tables.messaging)
  const parts = { database, messaging, logger: world.logger }

  messaging.listen({
    answers: [answerAudit({ database }), answerMoneyAudit(parts, settings)],
    handlers: handlers(settings),
  })
  world.loop(
    process,
    1_000,
    tables.reservations.firstDue((row) => row.wakeAt),
    async () => {
      const rows = await database.many<{ id: string }>(named('sweep.claim'))
      await Promise.allSettled(rows.map(({ id }) => wake(messaging, id, settings)))
      return false
    },
  )

  const hold = createHold({ ...parts, maxActiveHoldsPerSlot: 1 })
  const convert = convertHold(parts, settings)
  const status = paymentStatus(parts, settings)
  const request = { id: 'request' }
  const userOf = (id: string) => ({ id, isOperator: false })

  /** A key has one answer: whatever a guest hears, and from whichever instance, is what is on record. */
  async function asOnRecord<T>(key: IdempotencyKey, run: () => Promise<T>): Promise<T> {
    const [answered] = await Promise.allSettled([run()])
    if (answered.status === 'fulfilled') assertOnRecord(key, bodyOf(answered.value))
    else if (isStorable(answered.reason)) assertOnRecord(key, answerOf(answered.reason, request.id).body)
    if (answered.status === 'rejected') throw answered.reason
    return answered.value
  }

  function assertOnRecord(key: IdempotencyKey, body: unknown): void {
    const [said, kept] = [body, tables.messaging.keys.get(key.id)?.body].map((each) => JSON.stringify(each))
    if (said !== kept) throw new BrokenPromise(`a guest was told ${said}, and ${kept} is on record`)
  }

  return {
    hold: (userId: string, keyName: string, body: object) => {
      const key = keyOf(userId, 'POST /v1/reservations/hold', keyName, body)
      return asOnRecord(key, () => hold({ user: userOf(userId), body, key, request } as never))
    },

    convert: (userId: string, keyName: string, body: { holdId: string; paymentMethodId: string | null }) => {
      const key = keyOf(userId, 'POST /v1/reservations/hold/convert', keyName, body)
      return asOnRecord(key, () =>
        runOnce(database, key, (recovery) => convert({ user: userOf(userId), body, key, recovery, request } as never)),
      )
    },

    paymentStatus: (userId: string, id: string) => status({ user: userOf(userId), params: { id } } as never),

    /** release-hold.ts, without waiting for what comes of it. */
    release: (userId: string, id: string) =>
      messaging.transact(async (tx) => {
        const before = await lockReservation(tx, id)
        if (before?.userId !== userId) throw new DomainError('RESERVATION_NOT_FOUND')
        if (before.status !== 'held' && before.status !== 'pending') return before.status
        if (isOver(before, before.now)) {
          if (before.payment === 'none') throw new DomainError('HOLD_EXPIRED')
          return before.status
        }
        const released = whenReleased(before, before.now)
        if (released.reservation !== before) await write(tx, before, released, settings)
        return released.reservation.status
      }),

    /** confirm-reservation.ts, without waiting for what becomes of a late payment. */
    confirm: async (userId: string, reservationId: string, paymentIntentId: string) => {
      const found = await findReservation(database, reservationId, userId)
      if (!found) throw new DomainError('RESERVATION_NOT_FOUND')
      const isKnown = found.status === 'confirmed' && found.paymentIntentId === paymentIntentId
      if (isKnown || found.payment === 'none') return found.status
      const settled = await messaging.ask(SettlePayment, { reservationId, paymentIntentId })
      if (settled.outcome !== 'captured') return settled.outcome
      const { capture } = settled
      const paid = await messaging.transact((tx) =>
        advance(tx, reservationId, settings, (before) => whenPaymentCaptured(before, capture, newReference())),
      )
      return paid.status
    },
  }
}

export type ReservationService = ReturnType<typeof startReservation>

function keyOf(userId: string, route: string, name: string, body: object): IdempotencyKey {
  const requestHash = createHash('sha256').update(JSON.stringify(body)).digest()
  return { id: derivedId(`idempotency:${userId}\n${route}\n${name}`), requestHash }
}

/** A stored answer that is replayed has its body below `answer`. */
// biome-ignore lint/suspicious/noExplicitAny: the answer of any of the routes
export const bodyOf = (ok: any) => ok?.answer?.body ?? ok

/** libs/http/server.ts and `beginIdempotent`: a handler runs once for its key. Whoever finds it running comes again later. */
async function runOnce<T>(database: Database, key: IdempotencyKey, run: (recovery: unknown) => Promise<T>) {
  const values = [key.id, key.requestHash]
  const taken = await database.maybeOne<{ lease: string; recovery: unknown }>(named('idempotency.take'), values)
  if (!taken) {
    const stored = await storedAnswer(database, key)
    if (stored) return stored.body as T
    throw new DomainError('IDEMPOTENCY_KEY_IN_USE')
  }
  key.lease = taken.lease
  try {
    const result = await run(taken.recovery)
    if (!key.isAnswered) await storeAnswer(database, key, { status: 200, body: result })
    return result
  } catch (error) {
    if (key.isAnswered) throw error
    if (isStorable(error)) await storeAnswer(database, key, answerOf(error, 'request'))
    else await releaseIdempotent(database, key).catch(() => {})
    throw error
  }
}
