import { createSender, type Sender } from './deliver.ts'
import { eventObject } from './events.ts'
import type { DeliveryRow, EventRow } from './rows.ts'
import type { Store } from './store.ts'

export interface WebhookModes {
  /** Keep everything back until `release`. */
  hold: boolean
  /** Extra deliveries of each event. */
  duplicate: number
  shuffle: boolean
  /** Types that are never sent. */
  drop: string[]
  delayMs: number
}

export interface Webhooks {
  /** Sends new events, as the modes say. */
  dispatch(events: EventRow[]): void
  setModes(change: Partial<WebhookModes>): WebhookModes
  /** Sends what was held, ends `hold`; returns how many. */
  release(): number
  /** Sends one event now, whatever the modes. */
  resend(event: EventRow): void
  reset(): void
  close(): void
}

interface Job {
  event: EventRow
  attempt: number
}

const QUIET: WebhookModes = { hold: false, duplicate: 0, shuffle: false, drop: [], delayMs: 0 }
/** Stripe tries for days; a local stack wants to know within seconds, and gives up after two minutes. */
export const RETRY_MS = [500, 1_000, 2_000, 5_000, 15_000, 30_000, 60_000]
const SHUFFLE_WINDOW_MS = 50
const MAX_IN_FLIGHT = 32
const MAX_DELIVERIES_KEPT = 20

export function createWebhooks(
  store: Store,
  endpoint: { url: string | undefined; secret: string; retryMs?: number[] | undefined },
): Webhooks {
  const sender: Sender | null = endpoint.url ? createSender(endpoint.url, endpoint.secret) : null
  const retryMs = endpoint.retryMs ?? RETRY_MS
  const timers = new Set<NodeJS.Timeout>()
  let modes = QUIET
  let held: Job[] = []
  let bag: Job[] = []
  let queue: Job[] = []
  let inFlight = 0
  let closed = false

  const later = (ms: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }

  const record = (event: EventRow, pending: boolean, status?: number | null) => {
    store.transact((tx) => {
      const row: DeliveryRow = tx.get('delivery', event.id) ?? { id: event.id, deliveries: [], pending }
      const made = status === undefined ? [] : [{ at: new Date().toISOString(), status }]
      const deliveries = [...row.deliveries, ...made].slice(-MAX_DELIVERIES_KEPT)
      tx.put('delivery', { id: event.id, deliveries, pending })
    })
  }

  const attempt = async ({ event, attempt }: Job) => {
    if (sender === null) return
    const status = await sender.send(JSON.stringify({ ...eventObject(event, store), pending_webhooks: 1 }))
    if (closed) return
    const arrived = status !== null && status >= 200 && status < 300
    const wait = retryMs[attempt]
    const done = arrived || wait === undefined
    record(event, !done && store.get('delivery', event.id)?.pending !== false, status)
    if (!done) later(wait, () => admit({ event, attempt: attempt + 1 }))
  }

  const pump = () => {
    while (!closed && inFlight < MAX_IN_FLIGHT) {
      const job = queue.shift()
      if (job === undefined) return
      inFlight += 1
      void attempt(job).finally(() => {
        inFlight -= 1
        pump()
      })
    }
  }
  const enqueue = (jobs: Job[]) => {
    queue.push(...jobs)
    pump()
  }

  const emptyBag = () => {
    const jobs = shuffled(bag)
    bag = []
    enqueue(jobs)
  }
  const schedule = (job: Job) => {
    if (!modes.shuffle) {
      enqueue([job])
      return
    }
    if (bag.length === 0) later(SHUFFLE_WINDOW_MS, emptyBag)
    bag.push(job)
  }
  const admit = (job: Job) => {
    if (modes.hold) held.push(job)
    else if (modes.delayMs > 0 && job.attempt === 0) later(modes.delayMs, () => schedule(job))
    else schedule(job)
  }

  const release = () => {
    const jobs = modes.shuffle ? shuffled(held) : held
    held = []
    modes = { ...modes, hold: false }
    jobs.forEach(admit)
    return jobs.length
  }

  const webhooks: Webhooks = {
    dispatch: (events) => {
      for (const event of events) {
        if (sender === null || modes.drop.includes(event.type)) record(event, false)
        else for (let copy = 0; copy <= modes.duplicate; copy++) admit({ event, attempt: 0 })
      }
    },
    setModes: (change) => {
      modes = { ...modes, ...change }
      if (change.hold === false) release()
      return modes
    },
    release,
    resend: (event) => enqueue([{ event, attempt: 0 }]),
    reset: () => {
      modes = QUIET
      release()
    },
    close: () => {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      queue = []
      sender?.close()
    },
  }
  if (sender !== null) enqueue(undelivered(store))
  return webhooks
}

/** What a former run still owed, oldest first. */
function undelivered(store: Store): Job[] {
  const owed = [...store.newestFirst('delivery')].filter((row) => row.pending)
  return owed
    .reverse()
    .map((row) => store.get('event', row.id))
    .filter((event) => event !== undefined)
    .map((event) => ({ event, attempt: 0 }))
}

function shuffled<T>(items: T[]): T[] {
  const mixed = [...items]
  for (let index = mixed.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1))
    const [a, b] = [mixed[index] as T, mixed[other] as T]
    mixed[index] = b
    mixed[other] = a
  }
  return mixed
}
