import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'

/** What caused the work that is being done now. Carried through HTTP, messages, logs and Stripe's metadata. */
export interface Context {
  /** W3C Trace Context: `00-<trace id>-<span id>-<flags>`. */
  readonly traceparent: string
  /** The HTTP request or the message that is being handled. */
  readonly causationId: string
  readonly reservationId?: string | undefined
  /** Milliseconds since 1970: somebody waits for an answer until then, and no longer. */
  readonly answerBy?: number
  /** Set while a message is handled: its own id, and what had caused it. */
  readonly message?: { readonly id: string; readonly causationId: string | undefined }
}

const storage = new AsyncLocalStorage<Context>()

export const currentContext = (): Context | undefined => storage.getStore()

/** The moment until which something may be waited for: after `patienceMs`, or when whoever asks us loses patience. */
export const answerBy = (patienceMs: number): number =>
  Math.min(Date.now() + patienceMs, currentContext()?.answerBy ?? Number.POSITIVE_INFINITY)

export function inContext<T>(context: Context, work: () => T): T {
  return storage.run(context, work)
}

const traceparentShape = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/

/** The same trace with a new span; a new trace when there is none, or one that does not follow the standard. */
export function childTraceparent(parent?: string): string {
  const match = parent === undefined ? null : traceparentShape.exec(parent)
  return match ? `00-${match[1]}-${randomHex(8)}-${match[2]}` : `00-${randomHex(16)}-${randomHex(8)}-01`
}

/** Random bytes are cheap by the thousand and dear by the eight, and every message has a span. */
let pool = Buffer.alloc(0)
function randomHex(bytes: number): string {
  if (pool.length < bytes) pool = randomBytes(4_096)
  const hex = pool.toString('hex', 0, bytes)
  pool = pool.subarray(bytes)
  return hex
}
