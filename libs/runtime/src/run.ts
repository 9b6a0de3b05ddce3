import closeWithGrace from 'close-with-grace'
import { ConfigError, misconfigured } from './config.ts'
import type { Logger } from './logger.ts'

/** What a service's start gives back: how to end it. `stop` must be safe to call while requests are in flight. */
export interface Running {
  readonly logger: Logger
  stop(): Promise<void>
}

/** SIGTERM's deadline: 15 s to finish what was started, and a little for closing. */
const graceMs = 20_000

/**
 * Starts a service and ends it on SIGTERM or SIGINT with exit code 0. A bad environment ends it at once with every
 * fault listed; an uncaught error ends it with code 1, for whoever supervises it to start it anew.
 */
export async function run(start: () => Promise<Running>): Promise<void> {
  try {
    const running = await start()
    closeWithGrace({ delay: graceMs, logger: running.logger }, async ({ err, signal }) => {
      if (err) running.logger.fatal({ err }, 'uncaught error')
      else running.logger.info({ signal }, 'stopping')
      await running.stop()
      running.logger.info('stopped')
    })
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : String((error as Error).stack ?? error)}\n`)
    process.exit(error instanceof ConfigError ? misconfigured : 1)
  }
}
