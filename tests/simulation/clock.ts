/** A clock that only moves when nothing is left to be done now. Everything that takes time is an event on it. */
export interface Clock {
  now(): number
  /** Milliseconds from now; returns how to take it back. */
  after(ms: number, work: () => void): () => void
  sleep(ms: number): Promise<void>
  /** When the next event is; undefined when there is none. */
  nextAt(): number | undefined
  /** Moves on to the next event and lets it, and all that follows from it without waiting, happen. */
  step(): Promise<void>
  /** Moves on without an event. */
  moveTo(time: number): void
}

interface Event {
  readonly at: number
  work: (() => void) | undefined
}

/** Everything that is left of an event is microtasks; they are through when an immediate runs. */
const realImmediate = globalThis.setImmediate
export const settled = (): Promise<void> => new Promise((done) => realImmediate(done))

export function createClock(start: number): Clock {
  const events: Event[] = []
  let now = start

  function after(ms: number, work: () => void): () => void {
    const event: Event = { at: now + Math.max(0, Math.round(ms)), work }
    // Behind those of the same time: first come, first served. The newest are mostly the last ones.
    let place = events.length
    while (place > 0 && (events[place - 1]?.at ?? 0) > event.at) place -= 1
    events.splice(place, 0, event)
    return () => {
      event.work = undefined
    }
  }

  /** Those that were taken back are gone. */
  function first(): Event | undefined {
    while (events[0] && !events[0].work) events.shift()
    return events[0]
  }

  return {
    now: () => now,
    after,
    sleep: (ms) => new Promise((done) => after(ms, done)),
    nextAt: () => first()?.at,
    step: async () => {
      const event = first()
      if (!event) return
      events.shift()
      now = event.at
      event.work?.()
      await settled()
    },
    moveTo: (time) => {
      now = Math.max(now, time)
    },
  }
}

/**
 * Runs `work` with the clock in place of the global one: the services read `Date.now()` and set timeouts. Not touched are
 * `node:timers/promises`, so code that sleeps there is not run here.
 */
export async function withClock<T>(clock: Clock, withTraces: boolean, work: () => Promise<T>): Promise<T> {
  const { Date: RealDate, setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis
  class SimulatedDate extends RealDate {
    constructor(...values: [] | [number | string | Date]) {
      super(...((values.length === 0 ? [clock.now()] : values) as [number]))
    }
    static override now(): number {
      return clock.now()
    }
  }
  const timeouts = {
    Date: SimulatedDate,
    setTimeout: (run: () => void, ms = 0) => clock.after(ms, run),
    clearTimeout: (takeBack?: () => void) => takeBack?.(),
  }
  const { stackTraceLimit } = Error
  Object.assign(globalThis, timeouts)
  // Most of what is thrown here is part of the story, and its traces would take a tenth of all time.
  if (!withTraces) Error.stackTraceLimit = 0
  try {
    return await work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    Object.assign(globalThis, { Date: RealDate, setTimeout: realSetTimeout, clearTimeout: realClearTimeout })
  }
}
