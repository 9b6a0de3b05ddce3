import { createHash } from 'node:crypto'
import { DomainError } from '../../libs/contracts/src/errors.ts'
import * as inventory from '../../libs/contracts/src/messages/inventory.ts'
import {
  PaymentCaptured,
  PaymentClosed,
  PaymentProgressed,
  PaymentRefunded,
  SettlePayment,
} from '../../libs/contracts/src/messages/payment.ts'
import { HoldDue } from '../../libs/contracts/src/messages/reservation.ts'
import type { Database } from '../../libs/db/src/database.ts'
import {
  answerOf,
  type IdempotencyKey,
  isStorable,
  releaseIdempotent,
  storeAnswer,
  storedAnswer,
} from '../../libs/http/src/idempotency.ts'
import { on } from '../../libs/messaging/src/handler.ts'
import type { Transaction } from '../../libs/messaging/src/transaction.ts'
import { derivedId } from '../../libs/runtime/src/derived-id.ts'
import { answerAudit } from '../../services/reservation/src/audit.ts'
import * as saga from '../../services/reservation/src/booking-saga.ts'
import { convertHold } from '../../services/reservation/src/convert-hold.ts'
import { createHold } from '../../services/reservation/src/create-hold.ts'
import { paymentStatus } from '../../services/reservation/src/payment-status.ts'
import { newReference } from '../../services/reservation/src/reference.ts'
import { isOver, type Reservation } from '../../services/reservation/src/reservation.ts'
import { advance, findReservation, lockReservation, write } from '../../services/reservation/src/store.ts'
import { pollDue, type WakeSettings } from '../../services/reservation/src/wake.ts'
import { named, openDatabase, type Server } from './database.ts'
import { openMessaging } from './messaging.ts'
import type { Process } from './process.ts'
import type { ReservationTables } from './tables-reservation.ts'
import type { World } from './world.ts'

/**
 * One instance of the reservation service. Real: the saga, wake.ts, store.ts, and the use cases hold, convert and payment-status. Mirrored, because they sleep or need fastify: the handlers' list (service.ts), the sweep (sweep.ts),
 * release-hold.ts and confirm-reservation.ts without their waiting, and `runOnce` (libs/http/server.ts).
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
  const step = (tx: Transaction, id: string, decide: (reservation: Reservation, now: Date) => saga.Step) =>
    advance(tx, id, settings, decide)

  messaging.listen({
    answers: [answerAudit({ database })],
    handlers: [
      on(HoldDue, async (due, tx) => {
        await step(tx, due.reservationId, (r, now) => saga.whenDue(r, now, settings.closeDeadlineMs))
      }),
      on(PaymentCaptured, async (capture, tx) => {
        await step(tx, capture.reservationId, (r) => saga.whenPaymentCaptured(r, capture, newReference()))
      }),
      on(PaymentProgressed, async (progress, tx) => {
        await step(tx, progress.reservationId, (r) => saga.whenPaymentProgressed(r, progress))
      }),
      on(PaymentClosed, async (closed, tx) => {
        await step(tx, closed.reservationId, saga.whenPaymentClosed)
      }),
      on(PaymentRefunded, async (refunded, tx) => {
        await step(tx, refunded.reservationId, (r) => saga.whenPaymentRefunded(r, refunded))
      }),
      on(inventory.SeatsConfirmed, async (seats, tx) => {
        await step(tx, seats.reservationId, saga.whenSeatsConfirmed)
      }),
      on(inventory.SeatsReleased, async (seats, tx) => {
        if (await lockReservation(tx, seats.reservationId)) await step(tx, seats.reservationId, saga.whenSeatsReleased)
      }),
      on(inventory.SeatsReacquired, async (seats, tx) => {
        await step(tx, seats.reservationId, (r) => saga.whenSeatsReacquired(r, newReference()))
      }),
      on(inventory.SeatsRefused, async (seats, tx) => {
        await step(tx, seats.reservationId, saga.whenSeatsRefused)
      }),
    ],
  })
  world.loop(
    process,
    1_000,
    tables.reservations.firstDue((row) => row.wakeAt),
    async () => {
      const rows = await database.many<{ id: string }>(named('sweep.claim'))
      await Promise.allSettled(rows.map(({ id }) => messaging.transact((tx) => wake(tx, id, settings))))
      return false
    },
  )

  const hold = createHold({ ...parts, maxActiveHoldsPerSlot: 1 })
  const convert = convertHold(parts, settings)
  const status = paymentStatus(parts, settings)
  const request = { id: 'request' }
  const userOf = (id: string) => ({ id, isOperator: false })

  return {
    hold: (userId: string, keyName: string, body: object) => {
      const key = keyOf(userId, 'POST /v1/reservations/hold', keyName, body)
      return hold({ user: userOf(userId), body, key, request } as never)
    },

    convert: (userId: string, keyName: string, body: { holdId: string; paymentMethodId: string | null }) => {
      const key = keyOf(userId, 'POST /v1/reservations/hold/convert', keyName, body)
      return runOnce(database, key, (recovery) =>
        convert({ user: userOf(userId), body, key, recovery, request } as never),
      )
    },

    paymentStatus: (userId: string, id: string) => status({ user: userOf(userId), params: { id } } as never),

    /** release-hold.ts, without waiting for what comes of it. */
    release: (userId: string, id: string) =>
      messaging.transact(async (tx) => {
        const before = await lockReservation(tx, id)
        if (before?.userId !== userId) throw new DomainError('RESERVATION_NOT_FOUND')
        if (before.status !== 'held' && before.status !== 'pending') return before.status
        if (before.payment !== 'closing' && isOver(before, before.now)) throw new DomainError('HOLD_EXPIRED')
        const released = saga.whenReleased(before, before.now)
        if (released.reservation !== before) await write(tx, before, released, settings)
        return released.reservation.status
      }),

    /** confirm-reservation.ts, without waiting for what becomes of a late payment. */
    confirm: async (userId: string, reservationId: string, paymentIntentId: string) => {
      const found = await findReservation(database, reservationId, userId)
      if (!found) throw new DomainError('RESERVATION_NOT_FOUND')
      if (found.status === 'confirmed' || found.payment === 'none') return found.status
      const settled = await messaging.ask(SettlePayment, { reservationId, paymentIntentId })
      if (settled.outcome !== 'captured') return settled.outcome
      const { capture } = settled
      const paid = await messaging.transact((tx) =>
        step(tx, reservationId, (before) => saga.whenPaymentCaptured(before, capture, newReference())),
      )
      return paid.status
    },
  }
}

/** sweep.ts: looks at one reservation as it is now, and does whatever its time has come for. */
async function wake(tx: Transaction, id: string, settings: WakeSettings): Promise<void> {
  const before = await lockReservation(tx, id)
  if (!before) return
  const due = saga.whenDue(before, before.now, settings.closeDeadlineMs)
  if (due.reservation !== before) return write(tx, before, due, settings)
  const poll = pollDue(before, before.now, settings)
  if (poll) {
    tx.say(poll)
    return write(tx, before, { reservation: { ...before, pollRound: before.pollRound + 1 } }, settings)
  }
  const unanswered = saga.outstanding(before)
  tx.say(...unanswered)
  const repeats = unanswered.length > 0 ? before.repeats + 1 : before.repeats
  return write(tx, before, { reservation: { ...before, repeats } }, settings)
}

export type ReservationService = ReturnType<typeof startReservation>

function keyOf(userId: string, route: string, name: string, body: object): IdempotencyKey {
  const requestHash = createHash('sha256').update(JSON.stringify(body)).digest()
  return { id: derivedId(`idempotency:${userId}\n${route}\n${name}`), requestHash }
}

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
