import { createSender } from './deliver.ts'
import { eventObject } from './events.ts'
import type { DeliveryRow, EventRow } from './rows.ts'
import type { Store } from './store.ts'

export interface Job {
  event: EventRow
  /** 0 for the first try. */
  attempt: number
}

export interface DeliveryQueue {
  /** Sends in this order, up to MAX_IN_FLIGHT at once: they may overtake one another, as Stripe's do. */
  send(jobs: Job[]): void
  close(): void
}

const MAX_IN_FLIGHT = 32
const MAX_DELIVERIES_KEPT = 20
/** Stripe tries for days; a local stack wants to know within seconds, and gives up after two minutes. */
const RETRY_MS = [500, 1_000, 2_000, 5_000, 15_000, 30_000, 60_000]

/** Delivers to one endpoint and writes down each try. What failed comes back through `again` after a while. */
export function createDeliveryQueue(
  store: Store,
  endpoint: { url: string; secret: string; retryMs?: number[] | undefined },
  again: (job: Job, afterMs: number) => void,
): DeliveryQueue {
  const sender = createSender(endpoint.url, endpoint.secret)
  const retryMs = endpoint.retryMs ?? RETRY_MS
  let waiting: Job[] = []
  let inFlight = 0
  let closed = false

  const attempt = async ({ event, attempt }: Job) => {
    const status = await sender.send(JSON.stringify({ ...eventObject(event, store), pending_webhooks: 1 }))
    if (closed) return
    const arrived = status !== null && status >= 200 && status < 300
    const wait = retryMs[attempt]
    const settled = arrived || wait === undefined
    record(store, event, status, settled)
    if (!settled) again({ event, attempt: attempt + 1 }, wait)
  }
  const pump = () => {
    while (!closed && inFlight < MAX_IN_FLIGHT) {
      const job = waiting.shift()
      if (job === undefined) return
      inFlight += 1
      void attempt(job).finally(() => {
        inFlight -= 1
        pump()
      })
    }
  }
  return {
    send: (jobs) => {
      for (const job of jobs) waiting.push(job)
      pump()
    },
    close: () => {
      closed = true
      waiting = []
      sender.close()
    },
  }
}

/** One success settles an event for good, whatever becomes of its duplicates. */
function record(store: Store, event: EventRow, status: number | null, settled: boolean): void {
  store.transact((tx) => {
    const old: DeliveryRow = tx.get('delivery', event.id) ?? { id: event.id, deliveries: [], pending: true }
    const deliveries = [...old.deliveries, { at: new Date().toISOString(), status }].slice(-MAX_DELIVERIES_KEPT)
    tx.put('delivery', { id: event.id, deliveries, pending: old.pending && !settled })
  })
}

/** What a former run still owed, oldest first. */
export function undelivered(store: Store): Job[] {
  return [...store.newestFirst('delivery')]
    .filter((row) => row.pending)
    .reverse()
    .map((row) => store.get('event', row.id))
    .filter((event) => event !== undefined)
    .map((event) => ({ event, attempt: 0 }))
}
