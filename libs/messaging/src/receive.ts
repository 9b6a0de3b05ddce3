import { createHash } from 'node:crypto'
import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { Envelope, type MessageDefinition } from '@holdfast/contracts/message'
import { definitionOf } from '@holdfast/contracts/messages/all'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import { childTraceparent, inContext } from '@holdfast/runtime/context'
import { derivedId } from '@holdfast/runtime/derived-id'
import type { Logger } from '@holdfast/runtime/logger'
import { metrics } from '@holdfast/runtime/metrics'
import { buryMessage, countDelivery, deferMessage, type FailedMessage, forgetFailure } from './failures.ts'
import type { Handler, Task } from './handler.ts'
import { type OutboxRow, outboxColumns, type Relay, writeOutbox } from './outbox.ts'
import { mostDeliveries } from './topology.ts'
import type { transactor } from './transaction.ts'

/**
 * A message is handled in one transaction with its inbox row: insert the id (a duplicate ends here), run the handler,
 * write the outbox, commit. Only then is the delivery acknowledged.
 *
 * A task has no inbox row: it is safe to repeat by its own word, and whoever repeats its message may have lost what it said.
 * So it is performed each time it is heard, and says again what came of it, with the same ids.
 */

const insertInbox = statement<{ id: string }>(
  'inbox.insert',
  // What is handled, or was before, is no failure any more.
  `with forgotten as (delete from failed_message where id = $1)
   insert into inbox (id, type) values ($1, $2) on conflict (id) do nothing returning id`,
)
const finishInbox = statement(
  'inbox.finish',
  `with told as (
     insert into outbox (id, exchange, routing_key, envelope)
     select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[]) on conflict (id) do nothing
   )
   update inbox set said = $5 where id = $6`,
)
const readSaid = statement<{ said: OutboxRow[] | null }>('inbox.said', 'select said from inbox where id = $1')

class Duplicate extends Error {}

export interface Receiver {
  /** Handles one message to its end: done, deferred or buried. Throws only when the database is away. */
  receive(content: Buffer, redelivered: boolean): Promise<void>
  /** Keeps what the broker itself gave up on; handling it again might be what kills the process each time. */
  keepDead(content: Buffer, reason: string): Promise<void>
  /** Tries a message that failed before. */
  retry(failed: FailedMessage): Promise<void>
}

export function createReceiver(parts: {
  database: Database
  transact: ReturnType<typeof transactor>
  relay: Relay
  handlers: readonly (Handler | Task)[]
  logger: Logger
}): Receiver {
  const { database, transact, logger } = parts
  const handlers = new Map<MessageDefinition, Handler | Task>(parts.handlers.map((h) => [h.definition, h]))

  /** Says whether it is through: not to be tried again. */
  async function handle(envelope: Envelope): Promise<boolean> {
    const definition = definitionOf(envelope.type)
    const handler = definition && handlers.get(definition)
    if (!definition || !handler) return bury(envelope, `nobody here hears ${envelope.type}`)
    const body = definition.body.safeParse(envelope.data)
    if (!body.success) return bury(envelope, `its body is not as declared: ${body.error.message}`)
    const end = metrics.messageSeconds.startTimer({ type: envelope.type })
    try {
      await inContext(contextOf(envelope), () =>
        'handle' in handler ? once(envelope, handler, body.data) : perform(envelope, handler, body.data),
      )
      end({ outcome: 'done' })
      return true
    } catch (error) {
      if (error instanceof Duplicate) {
        end({ outcome: 'duplicate' })
        metrics.duplicates.inc({ type: envelope.type })
        await repeatAnswer(envelope)
        return true
      }
      end({ outcome: 'failed' })
      const fate = await deferMessage(database, envelope, reasonOf(error))
      metrics.failed.inc({ type: envelope.type, fate })
      const about = { err: error, messageId: envelope.id, type: envelope.type }
      if (fate === 'dead') logger.error(about, 'a message could not be handled and is a dead letter now')
      else logger.warn(about, 'a message could not be handled and will be tried again')
      return false
    }
  }

  async function once(envelope: Envelope, handler: Handler, body: unknown): Promise<void> {
    await transact(
      async (tx) => {
        if (!(await tx.maybeOne(insertInbox, [envelope.id, envelope.type]))) throw new Duplicate()
        await handler.handle(body, tx)
      },
      async (tx, said) => {
        if (said.length > 0) await finish(tx, said, envelope.id)
      },
    )
  }

  async function perform(envelope: Envelope, { perform }: Task, body: unknown): Promise<void> {
    await perform(body)
    // It may have been a dead letter, and said again.
    await forgetFailure(database, envelope.id)
  }

  /** Whoever repeats a message may have lost our answer: it hears the same messages again, with the same ids. */
  async function repeatAnswer(envelope: Envelope): Promise<void> {
    const row = await database.maybeOne(readSaid, [envelope.id])
    if (!row?.said) return
    const said = row.said
    await database.transaction((tx) => writeOutbox(tx, said))
    parts.relay.push(said)
  }

  async function bury(envelope: Envelope, reason: string): Promise<false> {
    logger.error({ messageId: envelope.id, type: envelope.type, reason }, 'a message is a dead letter')
    metrics.failed.inc({ type: envelope.type, fate: 'dead' })
    try {
      await buryMessage(database, envelope, reason)
    } catch (error) {
      if (error instanceof Unavailable) throw error
      // Too deep, or whatever else cannot be written: what is known of it is kept without it.
      await buryMessage(database, { ...envelope, data: null }, `${reason}; its body cannot be kept: ${reasonOf(error)}`)
    }
    return false
  }

  async function retry(envelope: Envelope): Promise<void> {
    if (await handle(envelope)) await forgetFailure(database, envelope.id)
  }

  /** Perhaps it killed whoever had it. Counted before it is handled, so that it can't do so for ever. */
  async function handleAgain(envelope: Envelope): Promise<void> {
    const deliveries = await countDelivery(database, envelope)
    if (deliveries > mostDeliveries) await bury(envelope, `delivered ${deliveries} times, and nobody has lived to tell`)
    else await retry(envelope)
  }

  return {
    receive: async (content, redelivered) => {
      // One after the other: how many are handled at one time is bounded by the deliveries.
      for (const { envelope, fault } of openAll(content)) {
        if (fault) await bury(envelope, fault)
        else if (redelivered) await handleAgain(envelope)
        else await handle(envelope)
      }
    },
    keepDead: async (content, reason) => {
      for (const { envelope, fault } of openAll(content)) await bury(envelope, fault ?? `the broker gave up: ${reason}`)
    },
    retry: async ({ envelope, deliveries }) => {
      if (deliveries > mostDeliveries) await bury(envelope, `tried ${deliveries} times, and nobody has lived to tell`)
      else await retry(envelope)
    },
  }
}

async function finish(tx: Queries, said: readonly OutboxRow[], inboxId: string): Promise<void> {
  await tx.run(finishInbox, [...outboxColumns(said), JSON.stringify(said), inboxId])
}

export function contextOf(envelope: Envelope) {
  return {
    traceparent: childTraceparent(envelope.traceparent),
    causationId: envelope.id,
    reservationId: envelope.correlationid,
    message: { id: envelope.id, causationId: envelope.causationid },
  }
}

/** One envelope, or several in CloudEvents' JSON batch format. */
function openAll(content: Buffer): { envelope: Envelope; fault?: string }[] {
  try {
    const parsed = parse(content.toString())
    return Array.isArray(parsed) ? parsed.map(open) : [open(parsed)]
  } catch (error) {
    return [malformed(content.toString(), error)]
  }
}

/** Nobody's own messages hold what Postgres cannot keep, but a stranger's may: it could be neither handled nor put aside. */
function parse(text: string): unknown {
  if (!text.includes('\\u')) return JSON.parse(text)
  return JSON.parse(text, (key, value: unknown) => {
    for (const part of [key, value])
      if (typeof part === 'string' && (part.includes('\0') || !part.isWellFormed()))
        throw new Error('it holds a NUL or half a character')
    return value
  })
}

function open(parsed: unknown): { envelope: Envelope; fault?: string } {
  const envelope = Envelope.safeParse(parsed)
  return envelope.success ? { envelope: envelope.data } : malformed(JSON.stringify(parsed), envelope.error)
}

/** What is no envelope at all gets one, with an id of its content, so that it can be kept and looked at. */
function malformed(text: string, error: unknown): { envelope: Envelope; fault: string } {
  const id = derivedId(`malformed:${createHash('sha256').update(text).digest('hex')}`)
  const data = text.replaceAll('\0', '').slice(0, 10_000).toWellFormed()
  const type = 'malformed'
  const envelope = { specversion: '1.0', id, source: 'unknown', type, time: new Date().toISOString(), data } as const
  return {
    envelope: { ...envelope, datacontenttype: 'application/json' },
    fault: `it is not an envelope: ${reasonOf(error).slice(0, 500)}`,
  }
}
