import { errors } from './errors.ts'
import type { AnswerRow } from './rows.ts'
import type { Reader } from './store.ts'

/** Stripe keeps keys at least this long. */
const KEPT_MS = 24 * 60 * 60 * 1000

export interface Idempotency {
  /** The answer to replay, or null when the request is the first: then it holds the key until `release`. */
  claim(key: string, endpoint: string, fingerprint: string, now: Date): AnswerRow | null
  release(key: string): void
}

export function createIdempotency(store: Reader): Idempotency {
  const inFlight = new Set<string>()
  return {
    claim: (key, endpoint, fingerprint, now) => {
      if (key.length > 255) throw errors.idempotencyKeyTooLong()
      if (inFlight.has(key)) throw errors.idempotencyInUse(key)
      const answer = store.get('answer', key)
      if (answer !== undefined && now.getTime() - answer.at < KEPT_MS) {
        if (answer.endpoint !== endpoint) throw errors.idempotencyOtherEndpoint(key, answer.endpoint, endpoint)
        if (answer.fingerprint !== fingerprint) throw errors.idempotencyMismatch(key)
        return answer
      }
      inFlight.add(key)
      return null
    },
    release: (key) => {
      inFlight.delete(key)
    },
  }
}
