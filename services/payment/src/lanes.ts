import { Unavailable } from '@holdfast/contracts/errors'

/** Runs what concerns the same thing one after another; different things run side by side. */
export type Lanes = <T>(name: string, work: () => Promise<T>) => Promise<T>

/** More than this for one reservation is a flood, not a guest. */
const waitingLimit = 50

/**
 * Spares Stripe and the database two attempts on one reservation that this process can see to be at the same time. What
 * other instances do is fenced by the payment's row and Stripe's idempotency keys. Not reentrant.
 */
export function createLanes(): Lanes {
  const lanes = new Map<string, { tail: Promise<unknown>; length: number }>()
  return async (name, work) => {
    const lane = lanes.get(name) ?? { tail: Promise.resolve(), length: 0 }
    if (lane.length >= waitingLimit) throw new Unavailable(`too much is waiting for ${name}`)
    const turn = lane.tail.then(work, work)
    lane.tail = turn.catch(() => {})
    lane.length += 1
    lanes.set(name, lane)
    try {
      return await turn
    } finally {
      lane.length -= 1
      if (lane.length === 0) lanes.delete(name)
    }
  }
}
