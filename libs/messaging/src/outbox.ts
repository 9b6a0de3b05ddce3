import { setTimeout as sleep } from 'node:timers/promises'
import { type Envelope, type Message, type ServiceName, typeOf } from '@holdfast/contracts/message'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import type { Logger } from '@holdfast/runtime/logger'
import { startLoop } from '@holdfast/runtime/loop'
import { metrics } from '@holdfast/runtime/metrics'
import { reached } from '@holdfast/runtime/moments'
import { type Broker, Refused, Stalled } from './broker.ts'
import { wrap } from './envelope.ts'
import { exchangeOf } from './topology.ts'

/**
 * The transactional outbox. A message is a row in the transaction of what it tells; after the commit the process that
 * wrote it publishes it from memory, and deletes the row once the broker has confirmed it. Whoever dies in between leaves
 * a lease that runs out, and any instance publishes the row then. Nothing is lost, some things are said twice.
 */

export interface OutboxRow {
  readonly id: string
  readonly exchange: string
  readonly routingKey: string
  readonly envelope: Envelope
}

/** Rows deleted in one statement. */
const deleteAtOnce = 1_000
/** Messages in one delivery: a handler takes them one after the other. */
const bundleLimit = 20
/** Unconfirmed deliveries of a lane at one time: far fewer than RabbitMQ takes before it stops reading (confirms.ts). */
const underWayLimit = 50
/** Messages of a lane waiting in memory; what is over stays in the table until its lease runs out. */
const memoryLimit = 10_000
/** How long a lane that gets no further is left alone. */
const restMs = 5_000
const pollMs = 500
const takeAtOnce = 500
/** About ten minutes of refusals by a broker that is well; one that is away or stalled costs none. */
const refusalsBeforeParking = 100

export function outboxRow(message: Message, source: ServiceName): OutboxRow {
  const envelope = wrap(message, source)
  return { id: envelope.id, exchange: exchangeOf(message.definition), routingKey: typeOf(message.definition), envelope }
}

/** The rows as the insert takes them: `unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[])`. */
export function outboxColumns(rows: readonly OutboxRow[]): unknown[] {
  return [
    rows.map((row) => row.id),
    rows.map((row) => row.exchange),
    rows.map((row) => row.routingKey),
    rows.map((row) => JSON.stringify(row.envelope)),
  ]
}

const insert = statement(
  'outbox.insert',
  `insert into outbox (id, exchange, routing_key, envelope)
   select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[]) on conflict (id) do nothing`,
)

export async function writeOutbox(tx: Queries, rows: readonly OutboxRow[]): Promise<void> {
  if (rows.length > 0) await tx.run(insert, outboxColumns(rows))
}

/**
 * Not those that this process waits for a confirm of: a broker that is slow to confirm needs no second copy. Nor those of lanes
 * that get no further, or they would be taken again and again before all others.
 */
const takeExpired = statement<OutboxRow>(
  'outbox.take-expired',
  `update outbox set lease_until = now() + interval '5 seconds'
   where id in (
     select id from outbox
     where parked_at is null and lease_until < now() and id <> all($1::uuid[]) and routing_key <> all($2::text[])
     order by lease_until limit ${takeAtOnce} for update skip locked
   )
   returning id, exchange, routing_key as "routingKey", envelope`,
)
const remove = statement('outbox.remove', 'delete from outbox where id = any($1::uuid[])')
/** Not published: anybody's again at once. */
const giveBack = statement('outbox.give-back', 'update outbox set lease_until = now() where id = any($1::uuid[])')
/** Tried again after a quarter of a second, then twice that, up to five. Says which have been refused too often. */
const countRefusal = statement<{ id: string; parked: boolean }>(
  'outbox.count-refusal',
  `update outbox set tries = tries + 1, parked_at = case when tries + 1 >= ${refusalsBeforeParking} then now() end,
     lease_until = now() + make_interval(secs => least(5, 0.25 * power(2, least(tries, 10))))
   where id = any($1::uuid[]) and parked_at is null returning id, parked_at is not null as parked`,
)

export interface Relay {
  /** Publish these rows soon; they are committed. */
  push(rows: readonly OutboxRow[]): void
  /** Finishes what is in memory, within its deadline, and stops. */
  stop(deadlineMs: number): Promise<void>
}

/** Messages of one kind, which go to the same queues: where those confirm nothing, they hold up no others. */
interface Lane {
  readonly waiting: OutboxRow[]
  /** Deliveries that are not confirmed. */
  underWay: number
  restingUntil: number
}

export function startRelay(database: Database, broker: Broker, logger: Logger): Relay {
  /** By routing key, of which there are as many as kinds of message. */
  const lanes = new Map<string, Lane>()
  const unconfirmed = new Set<string>()

  const confirmed = gather(async (ids) => {
    await database.run(remove, [ids])
  })
  const unpublished = gather(async (ids) => {
    await database.run(giveBack, [ids])
  })
  const refused = gather(async (ids) => {
    for (const { id, parked } of await database.many(countRefusal, [ids]))
      if (parked) logger.error({ messageId: id }, 'the broker keeps refusing this message: parked')
  })

  /** One statement at a time for whatever has come together meanwhile. One that fails leaves it to the leases. */
  function gather(work: (ids: string[]) => Promise<void>) {
    const waiting: string[] = []
    let busy = false
    return {
      isEmpty: () => waiting.length === 0 && !busy,
      add: async (ids: readonly string[]) => {
        waiting.push(...ids)
        if (busy) return
        busy = true
        try {
          while (waiting.length > 0) await work(waiting.splice(0, deleteAtOnce))
        } catch (error) {
          logger.warn({ err: error }, 'what became of messages could not be noted; they will be published again')
        } finally {
          busy = false
        }
      },
    }
  }

  function laneOf({ routingKey }: OutboxRow): Lane {
    const lane = lanes.get(routingKey) ?? { waiting: [], underWay: 0, restingUntil: 0 }
    lanes.set(routingKey, lane)
    return lane
  }

  function push(rows: readonly OutboxRow[]): void {
    if (!broker.connected()) return
    for (const row of rows) {
      const lane = laneOf(row)
      if (!isResting(lane) && lane.waiting.length < memoryLimit) lane.waiting.push(row)
    }
    for (const lane of lanes.values()) publishMore(lane)
  }

  /** What waits for the same place travels together: the broker's cost is by the message, not by the byte. */
  function publishMore(lane: Lane): void {
    while (lane.waiting.length > 0 && lane.underWay < underWayLimit)
      void publish(lane, lane.waiting.splice(0, bundleLimit))
  }

  async function publish(lane: Lane, rows: readonly OutboxRow[]): Promise<void> {
    const ids = rows.map(({ id }) => id)
    lane.underWay += 1
    for (const id of ids) unconfirmed.add(id)
    let fate: typeof confirmed | undefined = confirmed
    try {
      await broker.publish(outgoing(rows))
      reached('after-publish')
      metrics.published.inc(rows.length)
    } catch (error) {
      // Its lease runs out, as do those of all that wait behind it.
      if (error instanceof Stalled) rest(lane)
      fate = error instanceof Refused ? refused : error instanceof Stalled ? undefined : unpublished
      logger.warn({ err: error, messageIds: ids, type: rows[0]?.routingKey }, 'not published; to be tried again')
    }
    for (const id of ids) unconfirmed.delete(id)
    lane.underWay -= 1
    void fate?.add(ids)
    publishMore(lane)
  }

  async function takeOver(): Promise<boolean> {
    if (!broker.connected()) return false
    const stuck = [...lanes].filter(([, lane]) => lane.waiting.length > 0 || isResting(lane))
    const rows = await database.many(takeExpired, [[...unconfirmed], stuck.map(([routingKey]) => routingKey)])
    metrics.recovered.inc(rows.length)
    push(rows)
    // A full batch means a backlog: go on as soon as this one is on its way.
    if (rows.length < takeAtOnce) return false
    await until(() => rows.every((row) => laneOf(row).waiting.length === 0), pollMs)
    return true
  }

  const poll = startLoop('the outbox poll', pollMs, logger, takeOver)
  const isEmpty = ({ waiting, underWay }: Lane) => waiting.length === 0 && underWay === 0
  const idle = () => [...lanes.values()].every(isEmpty) && confirmed.isEmpty()

  return {
    push,
    stop: async (deadlineMs) => {
      await poll.stop()
      await until(idle, deadlineMs)
    },
  }
}

const isResting = (lane: Lane) => performance.now() < lane.restingUntil

function rest(lane: Lane): void {
  lane.restingUntil = performance.now() + restMs
  lane.waiting.length = 0
}

/** One message in CloudEvents' JSON format, several in its JSON batch format. */
function outgoing(rows: readonly OutboxRow[]) {
  const [first] = rows
  if (!first) throw new Error('there is nothing to publish')
  const isBatch = rows.length > 1
  return {
    exchange: first.exchange,
    routingKey: first.routingKey,
    content: Buffer.from(JSON.stringify(isBatch ? rows.map(({ envelope }) => envelope) : first.envelope)),
    options: {
      persistent: true,
      // Comes back instead of vanishing when no queue takes it.
      mandatory: true,
      messageId: first.id,
      contentType: isBatch ? 'application/cloudevents-batch+json' : 'application/cloudevents+json',
    },
  }
}

async function until(fact: () => boolean, deadlineMs: number): Promise<void> {
  const deadline = Date.now() + deadlineMs
  while (!fact() && Date.now() < deadline) await sleep(5)
}
