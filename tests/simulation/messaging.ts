import { reasonOf, Unavailable } from '../../libs/contracts/src/errors.ts'
import { Envelope, type MessageDefinition, type ServiceName, send, typeOf } from '../../libs/contracts/src/message.ts'
import { definitionOf } from '../../libs/contracts/src/messages/all.ts'
import type { Database } from '../../libs/db/src/database.ts'
import { wrap } from '../../libs/messaging/src/envelope.ts'
import type { FailedMessage } from '../../libs/messaging/src/failures.ts'
import type { Answerer, Handler, Task } from '../../libs/messaging/src/handler.ts'
import type { Messaging } from '../../libs/messaging/src/messaging.ts'
import { type OutboxRow, outboxRow, type Relay } from '../../libs/messaging/src/outbox.ts'
import { contextOf, createReceiver } from '../../libs/messaging/src/receive.ts'
import { transactor } from '../../libs/messaging/src/transaction.ts'
import { inContext } from '../../libs/runtime/src/context.ts'
import { named } from './database.ts'
import type { Process } from './process.ts'
import type { MessagingTables } from './tables-messaging.ts'
import type { World } from './world.ts'

/**
 * How an instance speaks and hears. Real: the transaction that speaks (transaction.ts), inbox, repeated answers, deferred
 * failures (receive.ts). Mirrored, because they hang on amqplib and timers: the relay (outbox.ts), questions
 * (request-reply.ts) and the consumers (messaging.ts).
 */
export function openMessaging(
  world: World,
  process: Process,
  service: ServiceName,
  database: Database,
  tables: MessagingTables,
): Messaging {
  const { bus, clock, logger } = world
  const relay = startRelay(world, process, database, tables)
  const transact = transactor(service, database, relay)
  let paused = false

  /** messaging.ts: the database is away, so nothing is heard until it answers. */
  async function pauseUntilBack(): Promise<void> {
    if (paused) return
    paused = true
    while (paused) {
      await clock.sleep(500)
      await database.one(named('database.ping')).then(
        () => (paused = false),
        () => {},
      )
    }
  }

  function listen({
    handlers = [],
    answers = [],
  }: {
    handlers?: readonly (Handler | Task)[]
    answers?: readonly Answerer[]
  }) {
    const receiver = createReceiver({ database, transact, relay, handlers, logger })
    bus.connect(service, {
      process,
      isPaused: () => paused,
      receive: async (content, redelivered) => {
        try {
          await receiver.receive(content, redelivered)
        } catch (error) {
          world.start(pauseUntilBack())
          throw error
        }
      },
      answer: (content) => answerOne(content, answers),
    })
    world.loop(
      process,
      250,
      tables.failed.firstDue((row) => row.retryAt),
      async () => {
        const due = await database.many<FailedMessage>(named('failed-message.take-due'))
        for (const failed of due) await receiver.retry(failed)
        return due.length > 0
      },
    )
  }

  return {
    transact: (work) => transact(work),
    prepare: (message) => outboxRow(message, service),
    tell: async (write, written) => {
      const result = await write()
      relay.push(written(result))
      return result
    },
    ask: createAsker(world, process, service) as Messaging['ask'],
    connected: () => !world.isAway('broker'),
    listen,
    hush: async () => {},
    stop: async () => {},
  }
}

/** outbox.ts: publish what was committed, delete it when it is confirmed; a lease that ran out is anybody's. */
function startRelay(world: World, process: Process, database: Database, { outbox }: MessagingTables): Relay {
  async function publish(rows: readonly OutboxRow[]): Promise<void> {
    const envelopes = rows.map(({ envelope }) => envelope)
    const content = Buffer.from(JSON.stringify(envelopes.length === 1 ? envelopes[0] : envelopes))
    try {
      await world.bus.publish(process, rows[0]?.routingKey ?? '', content)
      await database.run(named('outbox.remove'), [rows.map(({ id }) => id)])
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
  }

  /** What waits side by side for the same place travels together. */
  function push(rows: readonly OutboxRow[]): void {
    if (world.isAway('broker')) return
    const bundles: OutboxRow[][] = []
    for (const row of rows) {
      const last = bundles.at(-1)
      if (last?.[0]?.routingKey === row.routingKey) last.push(row)
      else bundles.push([row])
    }
    for (const bundle of bundles) world.start(publish(bundle))
  }

  world.loop(
    process,
    500,
    outbox.firstDue((row) => row.leaseUntil),
    async () => {
      if (!world.isAway('broker')) push(await database.many<OutboxRow>(named('outbox.take-expired')))
      return false
    },
  )
  return { push, stop: async () => {} }
}

const patienceMs = 4_000

/** request-reply.ts: a question waits four seconds for its answer. */
function createAsker(world: World, process: Process, service: ServiceName) {
  return async (definition: MessageDefinition & { reply: { parse(data: unknown): unknown } }, body: never) => {
    const to = definition.to[0] ?? service
    const content = Buffer.from(JSON.stringify(wrap(send(definition, body), service)))
    const reply = await new Promise<string>((resolve, reject) => {
      const late = new Unavailable(`${to} did not answer in time`)
      const takeBack = world.clock.after(patienceMs, () => process.isAlive() && reject(late))
      world.bus.post(to, content, (reply) => {
        takeBack()
        if (process.isAlive()) resolve(reply)
      })
    })
    const { ok, data, unavailable, reason } = JSON.parse(reply)
    if (ok) return definition.reply.parse(data)
    throw unavailable ? new Unavailable(reason) : new Error(`${to} failed at ${typeOf(definition)}: ${reason}`)
  }
}

async function answerOne(content: Buffer, answers: readonly Answerer[]): Promise<string> {
  const envelope = Envelope.parse(JSON.parse(content.toString()))
  const answerer = answers.find(({ definition }) => typeOf(definition) === envelope.type)
  try {
    const body = definitionOf(envelope.type)?.body.parse(envelope.data)
    const data = await inContext(contextOf(envelope), () => answerer?.answer(body))
    return JSON.stringify({ ok: true, data })
  } catch (error) {
    return JSON.stringify({ ok: false, unavailable: error instanceof Unavailable, reason: reasonOf(error) })
  }
}
