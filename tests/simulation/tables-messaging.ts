import type { Envelope } from '../../libs/contracts/src/message.ts'
import type { OutboxRow } from '../../libs/messaging/src/outbox.ts'
import type { Clock } from './clock.ts'
import type { Statements } from './database.ts'
import type { Store } from './store.ts'

/** Outbox, inbox, failed messages and idempotency keys: what libs/messaging and libs/http say in SQL. */

interface Outgoing extends OutboxRow {
  leaseUntil: number
  parked: boolean
}

interface Failed {
  id: string
  type: string
  envelope: Envelope
  reason: string
  tries: number
  deliveries: number
  retryAt: number | null
}

interface Key {
  id: string
  requestHash: Buffer
  status: number | null
  body: unknown
  recovery: unknown
  lockedUntil: number | null
}

export type MessagingTables = ReturnType<typeof createMessagingTables>

const leaseMs = 5_000

export function createMessagingTables(store: Store, clock: Clock) {
  const outbox = store.table<Outgoing>()
  const inbox = store.table<{ id: string; type: string; said: OutboxRow[] | null }>()
  const failed = store.table<Failed>()
  const keys = store.table<Key>()

  /** As the columns of `unnest`: ids, exchanges, routing keys, envelopes; on conflict do nothing. */
  function tell(columns: readonly unknown[]): void {
    const [ids = [], exchanges = [], routingKeys = [], envelopes = []] = columns as string[][]
    ids.forEach((id, i) => {
      if (outbox.get(id)) return
      const row = { id, exchange: exchanges[i] ?? '', routingKey: routingKeys[i] ?? '' }
      const envelope = JSON.parse(envelopes[i] ?? '') as Envelope
      outbox.put(id, { ...row, envelope, leaseUntil: clock.now() + leaseMs, parked: false })
    })
  }

  function defer([id, type, envelope, reason, after]: readonly [string, string, string, string, number[]]) {
    const before = failed.get(id)
    // `after[f.tries + 1]` counts from 1 in Postgres.
    const seconds = before ? after[before.tries] : after[0]
    const retryAt = seconds === undefined ? null : clock.now() + seconds * 1_000
    const row = before ?? { id, type, envelope: JSON.parse(envelope), deliveries: 1, tries: 0 }
    failed.put(id, { ...row, reason, tries: row.tries + 1, retryAt })
    return [{ retryAt: retryAt === null ? null : new Date(retryAt) }]
  }

  /** For the run that has the lease of a key, and has not answered yet. */
  function whileLeased(id: string, lease: string, columns: Partial<Key>) {
    const leased = keys.where((row) => row.id === id && row.status === null && String(row.lockedUntil) === lease)
    if (leased.length > 0) keys.change(id, columns)
    return leased
  }

  const statements: Statements = {
    'database.ping': () => [{ up: 1 }],
    'outbox.insert': (values) => {
      tell(values)
      return []
    },
    'outbox.take-expired': () => {
      const due = outbox.where((row) => !row.parked && row.leaseUntil < clock.now())
      return due.map((row) => {
        const taken = { ...row, leaseUntil: clock.now() + leaseMs }
        outbox.put(row.id, taken)
        return taken
      })
    },
    'outbox.remove': ([ids]) => (ids as string[]).filter((id) => outbox.remove(id)).map((id) => ({ id })),
    'inbox.insert': ([id, type]) => {
      failed.remove(id)
      if (inbox.get(id)) return []
      inbox.put(id, { id, type, said: null })
      return [{ id }]
    },
    'inbox.finish': ([ids, exchanges, routingKeys, envelopes, said, id]) => {
      tell([ids, exchanges, routingKeys, envelopes])
      inbox.change(id, { said: JSON.parse(said) })
      return [{ id }]
    },
    'inbox.said': ([id]) => inbox.where((row) => row.id === id),
    'failed-message.record': (values) => defer(values as unknown as Parameters<typeof defer>[0]),
    'failed-message.bury': ([id, type, envelope, reason]) => {
      const row = failed.get(id) ?? { id, type, envelope: JSON.parse(envelope), tries: 1, deliveries: 1 }
      failed.put(id, { ...row, reason, retryAt: null })
      return [{ id }]
    },
    'failed-message.count-delivery': ([id, type, envelope]) => {
      const before = failed.get(id)
      const fresh = { id, type, envelope: JSON.parse(envelope), reason: 'delivered again', tries: 1, deliveries: 0 }
      const row = before ?? { ...fresh, retryAt: clock.now() + 600_000 }
      failed.put(id, { ...row, deliveries: row.deliveries + 1 })
      return [{ deliveries: row.deliveries + 1 }]
    },
    'failed-message.take-due': () => {
      const due = failed.where((row) => row.retryAt !== null && row.retryAt <= clock.now())
      return due.map((row) => {
        const taken = { ...row, retryAt: clock.now() + 30_000, deliveries: row.deliveries + 1 }
        failed.put(row.id, taken)
        return taken
      })
    },
    'failed-message.forget': ([id]) => (failed.remove(id) ? [{ id }] : []),
    'idempotency.take': ([id, requestHash]) => {
      const before = keys.get(id)
      const lockedUntil = clock.now() + 10_000
      if (before) {
        const isFree = before.status === null && before.lockedUntil !== null && before.lockedUntil < clock.now()
        if (!isFree || !before.requestHash.equals(requestHash)) return []
        keys.change(id, { lockedUntil })
      } else keys.put(id, { id, requestHash, status: null, body: null, recovery: null, lockedUntil })
      return [{ lease: String(lockedUntil), recovery: before?.recovery ?? null }]
    },
    'idempotency.look': ([id]) => keys.where((row) => row.id === id),
    'idempotency.store-first': ([id, requestHash, status, body]) => {
      if (keys.get(id)) return []
      keys.put(id, { id, requestHash, status, body: JSON.parse(body), recovery: null, lockedUntil: null })
      return [{ id }]
    },
    'idempotency.store': ([id, lease, status, body]) =>
      whileLeased(id, lease, { status, body: JSON.parse(body), lockedUntil: null }),
    'idempotency.note': ([id, lease, recovery]) => whileLeased(id, lease, { recovery: JSON.parse(recovery) }),
    'idempotency.release': ([id, lease]) => whileLeased(id, lease, { lockedUntil: clock.now() }),
  }

  return { outbox, inbox, failed, keys, tell, statements }
}
