import type { Reservation } from '../../services/reservation/src/reservation.ts'
import type { Clock } from './clock.ts'
import { type Statements, type Values, violation } from './database.ts'
import type { Store } from './store.ts'
import { createMessagingTables } from './tables-messaging.ts'

/** The reservation service's tables: what store.ts, create-hold.ts, sweep.ts and audit.ts there say in SQL. */

interface Line {
  readonly reservationId: string
  readonly type: string
  readonly to: string
}

export type ReservationTables = ReturnType<typeof createReservationTables>

export function createReservationTables(store: Store, clock: Clock) {
  const messaging = createMessagingTables(store, clock)
  const reservations = store.table<Reservation>()
  const ids = store.table<{ id: string }>()
  const timeline = store.table<Line>()
  let lines = 0

  function note(reservationId: string, type: string, to: string): void {
    lines += 1
    timeline.put(String(lines), { reservationId, type, to })
  }

  const seen = (row: Reservation | undefined) => (row ? [{ ...row, now: new Date() }] : [])

  const activeHolds = (userId: string, timeSlotId: string) =>
    reservations.where((row) => row.userId === userId && row.timeSlotId === timeSlotId && isActive(row)).length

  /** Whether it was within the limit; beyond it, the id and the refusal are all that is kept. */
  function hold(values: Values, limit: number): boolean {
    const [id, userId, experienceId, timeSlotId, numberOfGuests, guestName, guestEmail, guestPhone, specialRequests] =
      values
    const [originalPrice, discountApplied, totalPrice, currency, experience, timeSlot, holdExpiresAt, now] =
      values.slice(9)
    const [keyId, requestHash, answer, refusal] = values.slice(20)
    if (ids.get(id)) throw violation('reservation_id_pkey')
    if (messaging.keys.get(keyId)) throw violation('idempotency_key_pkey')
    ids.put(id, { id })
    const fits = activeHolds(userId, timeSlotId) < limit
    const [status, body] = fits ? [200, answer] : [400, refusal]
    messaging.keys.put(keyId, {
      ...{ id: keyId, requestHash, status, body: JSON.parse(body) },
      ...{ recovery: null, lockedUntil: null },
    })
    if (!fits) return false
    const guest = { userId, numberOfGuests, guestName, guestEmail, guestPhone, specialRequests }
    const price = { originalPrice, discountApplied, totalPrice, currency }
    const copies = { experience: JSON.parse(experience), timeSlot: JSON.parse(timeSlot) }
    const times = { holdExpiresAt, wakeAt: holdExpiresAt, createdAt: now, updatedAt: now }
    const row: Reservation = { id, experienceId, timeSlotId, ...guest, ...price, ...copies, ...times, ...asItBegins }
    reservations.put(id, row)
    note(id, 'held', 'held')
    return true
  }

  function save(values: Values) {
    const [id, updatedAt, status, paymentStatus, payment, seats, closeReason, closingSince, attempt] = values
    const [convertedAt, pollRound, paymentIntentId, paymentRevision, paymentId, chargeId, capturedMinor] =
      values.slice(9)
    const [refundsDue, refunds, outcome, reservationReference, wakeAt, repeats, holdExpiresAt, before, event] =
      values.slice(16)
    const row = reservations.get(id)
    if (!row || row.status !== before) return []
    const saga = { status, paymentStatus, payment, seats, closeReason, closingSince, attempt, convertedAt, pollRound }
    const money = { paymentIntentId, paymentRevision, paymentId, chargeId, capturedMinor }
    const returned = { refundsDue: JSON.parse(refundsDue), refunds: JSON.parse(refunds), outcome }
    const times = { wakeAt, repeats, holdExpiresAt, updatedAt }
    const after: Reservation = { ...row, ...saga, ...money, ...returned, ...times, reservationReference }
    assertChecks(after)
    reservations.put(id, after)
    if (event !== null) note(id, event, status)
    return [{ id }]
  }

  const statements: Statements = {
    ...messaging.statements,
    'reservation.lock': ([id]) => seen(reservations.get(id)),
    'reservation.find': ([id, userId]) => seen(reservations.get(id)).filter((row) => row.userId === userId),
    'reservation.find-all': ([ids]) => (ids as string[]).flatMap((id) => seen(reservations.get(id))),
    'reservation.save': save,
    'sweep.claim': () => {
      const now = clock.now()
      const due = reservations.where(({ wakeAt }) => wakeAt !== null && wakeAt.getTime() <= now)
      for (const { id } of due) reservations.change(id, { wakeAt: new Date(now + 5_000) })
      return due.map(({ id }) => ({ id }))
    },
    'hold.look': ([keyIds, userIds, slotIds, limit]) =>
      (keyIds as string[]).map((keyId, n) => {
        const key = messaging.keys.get(keyId) ?? { requestHash: null, status: null, body: null }
        return { now: new Date(), activeHolds: Math.min(activeHolds(userIds[n], slotIds[n]), limit), ...key }
      }),
    'hold.insert': (columns) => {
      const limit = columns[32]
      const holds = columns.slice(0, 24)
      const written = (columns[0] as string[]).map((_, n) =>
        hold(
          holds.map((column) => column[n]),
          limit,
        ),
      )
      const [timeouts, releases] = [columns.slice(24, 28), columns.slice(28, 32)]
      messaging.tell(timeouts.map((column: unknown[]) => column.filter((_, n) => written[n])))
      messaging.tell(releases.map((column: unknown[]) => column.filter((_, n) => !written[n])))
      return written.map((isWithinLimit) => ({ isWithinLimit }))
    },
    'audit.bury': ([asked]) => {
      const missing = (asked as string[]).filter((id) => !ids.get(id))
      for (const id of missing) ids.put(id, { id })
      return missing.map((id) => ({ id }))
    },
    'audit.over': ([asked]) =>
      (asked as string[]).filter((id) => !wantsSeats(reservations.get(id))).map((id) => ({ id })),
  }

  return { messaging, reservations, timeline, statements }
}

const isActive = ({ status }: Reservation) => status === 'held' || status === 'pending'
const wantsSeats = (row: Reservation | undefined) =>
  row !== undefined && ['held', 'confirming', 'booked', 'reacquiring'].includes(row.seats)

const asItBegins = {
  ...{ status: 'held', paymentStatus: 'unpaid', payment: 'none', seats: 'held', closeReason: null, closingSince: null },
  ...{ attempt: 0, convertedAt: null, pollRound: 0, paymentIntentId: null, paymentRevision: 0, paymentId: null },
  ...{ chargeId: null, capturedMinor: null, refundsDue: [], refunds: [], outcome: null, reservationReference: null },
  repeats: 0,
} satisfies Partial<Reservation>

/** The table's CHECKs. */
function assertChecks({ status, seats, payment, closeReason, reservationReference }: Reservation): void {
  const holds = [
    (status === 'confirmed') === (reservationReference !== null),
    status !== 'confirmed' || seats === 'confirming' || seats === 'booked',
    (status !== 'held' && status !== 'pending') || seats === 'held',
    (status !== 'expired' && status !== 'cancelled') || ['releasing', 'released', 'reacquiring'].includes(seats),
    payment !== 'closing' || closeReason !== null,
  ]
  const broken = holds.indexOf(false)
  if (broken >= 0) throw violation(`reservation_check${broken}`, '23514')
}
