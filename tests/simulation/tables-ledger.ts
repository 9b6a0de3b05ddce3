import { isDeepStrictEqual } from 'node:util'
import type { ParkedEvent, Subject } from '../../services/payment/src/event-store.ts'
import type { Call } from '../../services/payment/src/stripe-calls.ts'
import type { Work } from '../../services/payment/src/work.ts'
import type { Clock } from './clock.ts'
import { type Statements, type Values, violation } from './database.ts'
import type { Store } from './store.ts'

/** Payment's ledger of calls to Stripe and Stripe's events: what stripe-calls.ts, reconcile.ts and event-store.ts say in SQL. */

interface CallRow extends Call {
  readonly reservationId: string | null
  readonly tries: number
  readonly retryAt: number
}

interface EventRow extends ParkedEvent {
  readonly state: 'done' | 'ignored' | 'parked' | 'given_up'
  readonly receivedAt: number
  readonly retryAt: number | null
}

const dayMs = 86_400_000

export function createLedgerTables(store: Store, clock: Clock) {
  const calls = store.table<CallRow>()
  const events = store.table<EventRow>()

  const pendingOf = (reservationId: string) =>
    calls.where((row) => row.reservationId === reservationId && row.state === 'pending' && isOnIntent(row.work))

  function write([key, , json, reservationId, holdSeconds, again]: Values) {
    const work = JSON.parse(json) as Work
    const retryAt = clock.now() + holdSeconds * 1_000
    const before = calls.get(key)
    if (!before) {
      if (isOnIntent(work) && pendingOf(reservationId).length > 0) throw violation('stripe_call_one_at_a_time')
      calls.put(key, { key, generation: 0, work, state: 'pending', problem: null, reservationId, tries: 0, retryAt })
    } else if (before.state !== 'pending' && (again || !isDeepStrictEqual(before.work, work))) {
      if (isOnIntent(work) && pendingOf(reservationId).length > 0) throw violation('stripe_call_one_at_a_time')
      const fresh = { state: 'pending' as const, problem: null, tries: 0 }
      calls.put(key, { ...before, ...fresh, generation: before.generation + 1, work, retryAt })
    }
    return calls.where((row) => row.key === key)
  }

  function touch(key: string, generation: number, columns: (row: CallRow) => Partial<CallRow>) {
    const rows = calls.where((row) => row.key === key && row.generation === generation && row.state === 'pending')
    for (const row of rows) calls.change(key, { ...columns(row), tries: row.tries + 1 })
    return rows
  }

  const statements: Statements = {
    'stripe-call.write': write,
    'stripe-call.find': ([key]) => calls.where((row) => row.key === key),
    'stripe-call.finish': ([key, generation, state, problem]) =>
      touch(key, generation, () => ({ state, problem: problem === null ? null : JSON.parse(problem) })),
    'stripe-call.postpone': ([key, generation, spent, problem, seconds]) =>
      touch(key, generation, (row) => ({
        generation: row.generation + spent,
        problem: JSON.parse(problem),
        retryAt: clock.now() + (seconds ?? Math.min(3, 0.5 * 2 ** Math.min(row.tries, 10))) * 1_000,
      })),
    'stripe-call.pending-of': ([reservationId]) => pendingOf(reservationId),
    'stripe-call.take-due': () => {
      const due = calls.where((row) => row.state === 'pending' && row.retryAt <= clock.now())
      for (const { key } of due) calls.change(key, { retryAt: clock.now() + 10_000 })
      return due
    },
    'event.know': ([id]) => events.where((row) => row.id === id),
    'event.insert': ([id, , state, , subject]) => {
      if (events.get(id)) return []
      const retryAt = state === 'parked' ? clock.now() + 1_000 : null
      const kept = subject === null ? null : (JSON.parse(subject) as Subject)
      events.put(id, { id, state, subject: kept as Subject, tries: 0, receivedAt: clock.now(), retryAt })
      return [{ id }]
    },
    'event.lock-parked': () =>
      events
        .where(({ state, retryAt }) => state === 'parked' && retryAt !== null && retryAt <= clock.now())
        .slice(0, 1),
    'event.finish': ([id]) => {
      events.change(id, { state: 'done', retryAt: null })
      return [{ id }]
    },
    'event.park-again': ([id]) => {
      const row = events.get(id)
      if (!row) return []
      const isOld = row.receivedAt < clock.now() - dayMs
      const retryAt = clock.now() + Math.min(300, 2 ** Math.min(row.tries, 10)) * 1_000
      const next = isOld ? { state: 'given_up' as const, retryAt: null } : { state: 'parked' as const, retryAt }
      events.change(id, { ...next, tries: row.tries + 1 })
      return [{ id }]
    },
  }

  return { calls, events, statements }
}

const isOnIntent = ({ operation }: Work) => operation.startsWith('payment_intents.')
