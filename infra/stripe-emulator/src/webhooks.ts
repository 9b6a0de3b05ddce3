import { createDeliveryQueue, type DeliveryQueue, type Job, undelivered } from './delivery-queue.ts'
import type { EventRow } from './rows.ts'
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

export interface Endpoint {
  secret: string
  /** Where events go; without it they are only kept. */
  url?: string | undefined
  /** The types the endpoint is subscribed to, as Stripe's `enabled_events`; all unless said. */
  events?: string[] | undefined
  /** Waits before each further try. */
  retryMs?: number[] | undefined
}

export interface Webhooks {
  /** Whether an event of this type, made now, will be sent. */
  owes(type: string): boolean
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

const QUIET: WebhookModes = { hold: false, duplicate: 0, shuffle: false, drop: [], delayMs: 0 }
const SHUFFLE_WINDOW_MS = 50

/** Stands between an event and its delivery: holds, repeats, mixes, drops and delays as told. */
export function createWebhooks(store: Store, endpoint: Endpoint): Webhooks {
  const { url } = endpoint
  const timers = createTimers()
  let modes = QUIET
  let held: Job[] = []
  let bag: Job[] = []

  const emptyBag = () => {
    const jobs = shuffled(bag)
    bag = []
    queue?.send(jobs)
  }
  const mix = (job: Job) => {
    if (bag.length === 0) timers.after(SHUFFLE_WINDOW_MS, emptyBag)
    bag.push(job)
  }
  const schedule = (job: Job) => (modes.shuffle ? mix(job) : queue?.send([job]))
  const admit = (job: Job) => {
    if (modes.hold) held.push(job)
    else if (modes.delayMs > 0) timers.after(modes.delayMs, () => schedule(job))
    else schedule(job)
  }
  const release = () => {
    const jobs = held
    held = []
    modes = { ...modes, hold: false }
    jobs.forEach(admit)
    return jobs.length
  }
  const again = (job: Job, afterMs: number) => timers.after(afterMs, () => admit(job))
  const queue: DeliveryQueue | null = url ? createDeliveryQueue(store, { ...endpoint, url }, again) : null
  queue?.send(undelivered(store))

  return {
    owes: (type) => queue !== null && (endpoint.events?.includes(type) ?? true) && !modes.drop.includes(type),
    dispatch: (events) => {
      for (const event of events) {
        if (!store.get('delivery', event.id)?.pending) continue
        for (let copy = 0; copy <= modes.duplicate; copy++) admit({ event, attempt: 0 })
      }
    },
    setModes: (change) => {
      modes = { ...modes, ...change }
      if (change.hold === false) release()
      return modes
    },
    release,
    resend: (event) => queue?.send([{ event, attempt: 0 }]),
    reset: () => {
      modes = QUIET
      release()
    },
    close: () => {
      timers.clear()
      queue?.close()
    },
  }
}

/** Timers that end together. */
function createTimers() {
  const timers = new Set<NodeJS.Timeout>()
  return {
    after: (ms: number, work: () => void) => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        work()
      }, ms)
      timers.add(timer)
    },
    clear: () => {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

function shuffled<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
