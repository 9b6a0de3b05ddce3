import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '@holdfast/contracts/errors'
import type { Message, ServiceName } from '@holdfast/contracts/message'
import { type Database, isOutOfRoom, statement } from '@holdfast/db/database'
import type { Migrations } from '@holdfast/db/migrate'
import type { Logger } from '@holdfast/runtime/logger'
import { type Loop, startLoop } from '@holdfast/runtime/loop'
import { reached } from '@holdfast/runtime/moments'
import { type Broker, type Consumer, type Delivery, openBroker } from './broker.ts'
import { type FailedMessage, takeDueMessages } from './failures.ts'
import type { Answerer, Handler, Task } from './handler.ts'
import { type OutboxRow, outboxRow, startRelay } from './outbox.ts'
import { createReceiver, type Receiver } from './receive.ts'
import { type Ask, createAsker, startAnswering } from './request-reply.ts'
import { deadQueueOf, queueOf, systemTopology } from './topology.ts'
import { type Transact, transactor } from './transaction.ts'

export const messagingMigrations: Migrations = {
  folder: new URL('../migrations', import.meta.url),
  table: 'migration_messaging',
}

/** How a service with a database speaks and hears. Handlers are given when it starts listening. */
export interface Messaging {
  readonly transact: Transact
  /** A message as its outbox row, of the work that is being done now. */
  prepare(message: Message): OutboxRow
  /**
   * For the one statement of a hot path that writes its outbox rows itself, as `outboxColumns`. `written` names those that
   * it did write.
   */
  tell<T>(write: () => Promise<T>, written: (result: T) => readonly OutboxRow[]): Promise<T>
  readonly ask: Ask
  connected(): boolean
  listen(hears: { handlers?: readonly (Handler | Task)[]; answers?: readonly Answerer[] }): void
  /** Cancels the consumers and finishes what was started. It can still speak. */
  hush(): Promise<void>
  /** The same, then empties the outbox and disconnects. */
  stop(): Promise<void>
}

/** Messages handled at one time by one instance. */
const concurrency = 32
const retryPollMs = 250
/** How soon a database that was away is heard of; and how long it is left alone where it only seems to be back, each time longer. */
const databasePollMs = 500
const longestPauseMs = 60_000
/** What fails so soon after a pause is the same failure still. */
const relapseMs = 10_000
const cleanEveryMs = 60_000
const flushDeadlineMs = 3_000
/** Longer than the week that Stripe and operators may repeat things in. */
const cleanInbox = statement(
  'inbox.clean',
  `delete from inbox where id in (select id from inbox where received_at < now() - interval '8 days' limit 5000)`,
)

export function openMessaging(options: {
  service: ServiceName
  instance: string
  urls: readonly string[]
  database: Database
  logger: Logger
}): Messaging {
  const { service, database, logger } = options
  const broker = openBroker({ urls: options.urls, name: options.instance, topology: systemTopology(), logger })
  const relay = startRelay(database, broker, logger)
  const transact = transactor(service, database, relay)
  const loops: Loop[] = []
  const consumers: Consumer[] = []
  const working = new Set<Promise<void>>()
  let answering: ReturnType<typeof startAnswering> | undefined

  function listen({ handlers = [], answers = [] }: Parameters<Messaging['listen']>[0]): void {
    assertHeard(service, handlers)
    const receiver = createReceiver({ database, transact, relay, handlers, logger })
    consumers.push(
      consumeWork(queueOf(service), ({ content, redelivered }) => receiver.receive(content, redelivered)),
      consumeWork(deadQueueOf(service), ({ content, deathReason }) =>
        receiver.keepDead(content, deathReason ?? 'unknown'),
      ),
    )
    if (answers.length > 0) {
      answering = startAnswering(broker, service, answers, logger)
      consumers.push(answering.consumer)
    }
    loops.push(
      startLoop('retrying failed messages', retryPollMs, logger, async () => {
        if (retrying >= concurrency) return false
        const due = await takeDueMessages(database)
        for (const failed of due) retry(receiver, failed)
        return due.length > 0
      }),
      startLoop('cleaning the inbox', cleanEveryMs, logger, async () => (await database.run(cleanInbox)) > 0),
    )
  }

  let retrying = 0
  /** Each by itself: one that waits for Stripe holds up neither the others nor the end of the process. */
  function retry(receiver: Receiver, failed: FailedMessage): void {
    retrying += 1
    const trying = receiver
      .retry(failed)
      .catch((error: unknown) => logger.warn({ reason: reasonOf(error) }, 'the database is away; to be tried again'))
      .finally(() => {
        retrying -= 1
        working.delete(trying)
      })
    working.add(trying)
  }

  function consumeWork(queue: string, work: (delivery: Delivery) => Promise<void>): Consumer {
    let pausing: Promise<void> | undefined
    let resumedAt = Number.NEGATIVE_INFINITY
    let pauseMs = databasePollMs
    const consumer = broker.consume(queue, { prefetch: concurrency }, (delivery) => {
      const delivering = deliver(delivery).finally(() => working.delete(delivering))
      working.add(delivering)
    })
    async function deliver(delivery: Delivery): Promise<void> {
      try {
        await work(delivery)
        reached('before-ack')
        delivery.ack()
      } catch (error) {
        // Neither handled nor recorded: the database is away. Give back when nothing more is heard, and hear again when it
        // answers: what comes again at once fails again, and RabbitMQ keeps count.
        logger.warn({ reason: reasonOf(error) }, 'the database is away; pausing')
        const isFirst = !pausing
        pausing ??= consumer.pause()
        await pausing
        delivery.giveBack()
        if (!isFirst) return
        // One whose disk is full answers at once, and refuses again.
        const isRelapse = isOutOfRoom(error) && performance.now() - resumedAt < relapseMs
        pauseMs = isRelapse ? Math.min(2 * pauseMs, longestPauseMs) : databasePollMs
        await databaseBack(pauseMs)
        resumedAt = performance.now()
        if (!stopping) await consumer.resume()
        pausing = undefined
      }
    }
    return consumer
  }

  let stopping = false
  async function databaseBack(atLeastMs: number): Promise<void> {
    const earliest = performance.now() + atLeastMs
    while (!stopping) {
      await sleep(databasePollMs)
      if (performance.now() < earliest) continue
      const back = await database.run(touch).then(
        () => true,
        () => false,
      )
      if (back) return
    }
  }

  let hushing: Promise<void> | undefined
  function hush(): Promise<void> {
    hushing ??= finish()
    return hushing
  }
  async function finish(): Promise<void> {
    stopping = true
    await Promise.all(consumers.map((consumer) => consumer.pause()))
    await Promise.all(loops.map((loop) => loop.stop()))
    await answering?.idle()
    while (working.size > 0) await Promise.all(working)
  }

  return {
    transact: (work) => transact(work),
    prepare: (message) => outboxRow(message, service),
    tell: async (write, written) => {
      reached('before-commit')
      const result = await write()
      reached('after-commit')
      relay.push(written(result))
      return result
    },
    ask: createAsker(broker, service),
    connected: () => broker.connected(),
    listen,
    hush,
    stop: async () => {
      await hush()
      await relay.stop(flushDeadlineMs)
      await broker.close()
    },
  }
}

/** Touches nothing, and fails where nothing may be written (a standby answers every `select`); not where a disk is full. */
const touch = statement('database.touch', `delete from inbox where id = '00000000-0000-0000-0000-000000000000'`)

/** A queue is bound by what the contracts say: a handler for anything else would never be called. */
function assertHeard(service: ServiceName, handlers: readonly (Handler | Task)[]): void {
  for (const { definition } of handlers)
    if (!definition.to.includes(service))
      throw new Error(`${definition.name} is not declared to be heard by ${service}`)
}

export type { Broker }
