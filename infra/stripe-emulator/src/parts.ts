import type { Faults } from './faults.ts'
import type { Idempotency } from './idempotency.ts'
import type { RequestLog } from './request-log.ts'
import type { Settings } from './settings.ts'
import type { Store } from './store.ts'
import type { Webhooks } from './webhooks.ts'

/** The parts, made once and handed to whoever serves a request. */
export interface Emulator {
  settings: Settings
  store: Store
  faults: Faults
  idempotency: Idempotency
  requests: RequestLog
  webhooks: Webhooks
  /** Aborted when the emulator stops: nobody waits out a delay then. */
  stopping: AbortSignal
}
