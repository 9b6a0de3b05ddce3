/** When to announce a hold's end, and how to wait for it. Pure: the clock comes in as an argument. */

export interface Timeout {
  /** ISO 8601. */
  readonly dueAt: string
  /** The whole hold, one of few distinct values. */
  readonly delaySeconds: number
}

/** Above it, the delayed exchange takes the number modulo 2³² and announces at once. */
export const longestDelayMs = 2 ** 32 - 1

/** How long until it is due; 0 when it is. Never longer than any broker can wait: what comes early is armed again. */
export function remainingMs(timeout: Timeout, now: number): number {
  return Math.min(Math.max(Date.parse(timeout.dueAt) - now, 0), longestDelayMs)
}

/** How late an announcement made now is. */
export function latenessMs(timeout: Timeout, now: number): number {
  return Math.max(now - Date.parse(timeout.dueAt), 0)
}

/** A relay is normally milliseconds behind its transaction. Waiting the whole hold from there on is late by no more. */
const toleranceMs = 1_000
const longestStepSeconds = 65_536

/**
 * For a broker that can only wait a constant time per queue: which queue. Normally the hold's own. When much of the hold
 * has passed already (a relay that was down), the largest power of two that is not too long: the message comes back early,
 * is armed again with what then remains, and is in the end less than a second late. So there are never more queues than
 * distinct holds and seventeen powers of two.
 */
export function stepSeconds(timeout: Timeout, remaining: number): number {
  if (remaining >= timeout.delaySeconds * 1_000 - toleranceMs) return timeout.delaySeconds
  let step = 1
  while (step < longestStepSeconds && step * 2_000 <= remaining) step *= 2
  return step
}
