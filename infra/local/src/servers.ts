import type { RabbitmqUrls } from './rabbitmq.ts'
import type { Staged } from './session.ts'

/** A Postgres to use: the environment's, which runs already, or one to be started. */
export interface Postgres {
  /** A superuser's URL. */
  readonly adminUrl: URL
  readonly running: readonly Staged[]
}

export interface Rabbitmq extends RabbitmqUrls {
  /** In the order to start them in; nothing when the environment named a broker. */
  readonly running: readonly Staged[]
}
