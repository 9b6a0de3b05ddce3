import type { Broker } from '@holdfast/messaging/broker'
import { hasExchangeType } from '@holdfast/messaging/declare'
import { replicated, type Topology, workQueue } from '@holdfast/messaging/topology'
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

export interface Delays {
  /** What the broker at this address needs so that it can wait for us. */
  topologyAt(url: string): Promise<Topology>
  armOn(broker: Broker): Arm
}

/**
 * The delayed exchange where the broker has the plugin, else queues that expire their messages. Each new connection asks
 * anew: an upgrade may have taken the plugin away, and declaring its exchange would then end every connection.
 */
export function openDelays(logger: Logger): Delays {
  const declared = new Map<string, { at: number; done: Promise<void> }>()
  let plugin = false
  return {
    async topologyAt(url) {
      plugin = await hasExchangeType(url, 'x-delayed-message', { 'x-delayed-type': 'direct' })
      declared.clear()
      logger.info({ by: plugin ? 'delayed exchange' : 'queues with a time to live' }, 'arming timeouts')
      return plugin ? delayTopology : dueTopology
    },
    armOn(broker) {
      const byQueue = throughQueues(broker, declared)
      return (delayed) => (plugin ? throughExchange(broker, delayed) : byQueue(delayed))
    },
  }
}

const dueTopology: Topology = {
  exchanges: [],
  queues: [{ name: dueQueue, arguments: workQueue('timeout') }],
  bindings: [],
}
const delayTopology: Topology = {
  ...dueTopology,
  exchanges: [{ name: delayExchange, type: 'x-delayed-message', arguments: { 'x-delayed-type': 'direct' } }],
  bindings: [{ queue: dueQueue, exchange: delayExchange, key: dueQueue }],
}

function throughExchange(broker: Broker, { id, content, remainingMs }: Delayed): Promise<void> {
  return broker.publish({
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

function throughQueues(broker: Broker, declared: Map<string, { at: number; done: Promise<void> }>): Arm {
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
      ...replicated,
      'x-message-ttl': ttlMs,
      'x-expires': ttlMs + marginMs,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': dueQueue,
    },
  }
}
