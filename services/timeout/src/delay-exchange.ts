import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '@holdfast/contracts/errors'
import { type Broker, hasExchangeType } from '@holdfast/messaging/broker'
import { type Topology, workQueue } from '@holdfast/messaging/topology'
import type { Logger } from '@holdfast/runtime/logger'
import { stepSeconds, type Timeout } from './schedule.ts'

/**
 * How a broker waits for us. Neither way is to be trusted with the only copy of a timeout (docs/architecture.md): the truth
 * is a row in reservation, which sweeps its overdue rows.
 */

export const dueQueue = 'holdfast.timeout.due'
const delayExchange = 'holdfast.delay'

/** A message to be delivered to the due queue later. */
interface Delayed {
  readonly id: string
  readonly content: Buffer
  readonly timeout: Timeout
  readonly remainingMs: number
}

/** Resolves when the broker has it. */
export type Arm = (delayed: Delayed) => Promise<void>

export const dueTopology: Topology = {
  exchanges: [],
  queues: [{ name: dueQueue, arguments: workQueue('timeout') }],
  bindings: [],
}

/** The delayed exchange where the broker has the plugin, else queues that expire their messages. Asks until it knows. */
export async function openDelays(url: string, broker: Broker, logger: Logger, ended: AbortSignal): Promise<Arm> {
  while (!ended.aborted) {
    try {
      const plugin = await hasExchangeType(url, 'x-delayed-message', { 'x-delayed-type': 'direct' })
      logger.info({ by: plugin ? 'delayed exchange' : 'queues with a time to live' }, 'arming timeouts')
      return plugin ? await byExchange(broker) : byQueues(broker)
    } catch (error) {
      logger.warn({ reason: reasonOf(error) }, 'cannot ask the broker how it delays; trying again')
      await sleep(probeAgainMs, undefined, { signal: ended }).catch(() => {})
    }
  }
  throw new Error('stopped before the broker was there')
}

const probeAgainMs = 500

const delayTopology: Topology = {
  exchanges: [{ name: delayExchange, type: 'x-delayed-message', arguments: { 'x-delayed-type': 'direct' } }],
  queues: [],
  bindings: [{ queue: dueQueue, exchange: delayExchange, key: dueQueue }],
}

async function byExchange(broker: Broker): Promise<Arm> {
  await broker.declare(delayTopology)
  return ({ id, content, remainingMs }) =>
    broker.publish({
      exchange: delayExchange,
      routingKey: dueQueue,
      content,
      // Never mandatory: the plugin routes nothing at once, so every message would be returned.
      options: { persistent: true, messageId: id, headers: { 'x-delay': remainingMs } },
    })
}

/**
 * A queue that nobody consumes or declares for this much longer than its messages wait vanishes. Publishing does not count
 * as use, so it is declared again while it is in use: the margin covers every message published in between.
 */
const marginMs = 180_000
const declareAgainMs = 60_000
const rememberedLimit = 1_000

function byQueues(broker: Broker): Arm {
  const declared = new Map<string, { at: number; done: Promise<void> }>()

  function ensure(queue: string, ttlMs: number): Promise<void> {
    const last = declared.get(queue)
    const now = performance.now()
    if (last && now - last.at < declareAgainMs) return last.done
    if (declared.size >= rememberedLimit) declared.clear()
    const done = broker.declare({ exchanges: [], queues: [delayQueue(queue, ttlMs)], bindings: [] })
    declared.set(queue, { at: now, done })
    return done
  }

  return async ({ id, content, timeout, remainingMs }) => {
    const seconds = stepSeconds(timeout, remainingMs)
    const queue = `${delayExchange}.${seconds}`
    try {
      await ensure(queue, seconds * 1_000)
      const options = { persistent: true, mandatory: true, messageId: id }
      await broker.publish({ exchange: '', routingKey: queue, content, options })
    } catch (error) {
      // Perhaps it came back because somebody has deleted the queue: the next try declares it.
      declared.delete(queue)
      throw error
    }
  }
}

/** One queue for each distinct delay, because messages with different ones would block behind one another. */
function delayQueue(name: string, ttlMs: number): Topology['queues'][number] {
  return {
    name,
    arguments: {
      // Quorum queues have lost and stuck expiring messages in our tests.
      'x-queue-type': 'classic',
      'x-message-ttl': ttlMs,
      'x-expires': ttlMs + marginMs,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': dueQueue,
    },
  }
}
