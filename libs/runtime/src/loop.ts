import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from './logger.ts'

/** Work that is done over and over until stopped. */
export interface Loop {
  /** Ends the waiting, lets the running round finish. */
  stop(): Promise<void>
  /** Do the next round now. */
  nudge(): void
}

/**
 * Runs `round` every `everyMs`, never two at once. A round that returns `true` has more to do and goes on at once; one
 * that fails is logged and tried again at the next turn.
 */
export function startLoop(
  name: string,
  everyMs: number,
  logger: Logger,
  round: () => Promise<boolean | undefined>,
): Loop {
  const ended = new AbortController()
  let waiting = new AbortController()

  const pause = () =>
    sleep(everyMs, undefined, { signal: AbortSignal.any([ended.signal, waiting.signal]), ref: false }).catch(() => {
      waiting = new AbortController()
    })

  const turn = async () => {
    while (!ended.signal.aborted) {
      const more = await round().catch((error: unknown) => {
        logger.warn({ err: error }, `${name} failed and will be tried again`)
        return false
      })
      if (!more && !ended.signal.aborted) await pause()
    }
  }
  const running = turn()

  return {
    nudge: () => waiting.abort(),
    stop: async () => {
      ended.abort()
      await running
    },
  }
}
