import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import type { Logger } from '@holdfast/runtime/logger'
import { metrics } from '@holdfast/runtime/metrics'
import { createConfirms, type Outgoing, Refused, Stalled } from './confirms.ts'
import { declareMore, declareOn } from './declare.ts'
import { openSession, type Session, withDeadline } from './session.ts'
import {
  type Consumer,
  type Consumption,
  createSubscription,
  type Delivery,
  type Subscription,
} from './subscription.ts'
import type { Topology } from './topology.ts'

/**
 * The door to RabbitMQ. It keeps one connection alive: whenever the connection, one of its channels or one of its consumers
 * ends (a cut socket, a 404 or 406, a deleted queue), all of it is thrown away and built again, with everything declared
 * anew. One way to heal, whatever was wrong.
 */

export interface Broker {
  /** Whether it takes messages now: connected, with everything declared, and not out of memory or disk. */
  connected(): boolean
  /**
   * Resolves when the broker has it (on disk, if persistent). Rejects with `Refused` when no queue takes it, with `Stalled`
   * when its queue takes nothing now, and with `Unavailable` when the connection ended over it.
   */
  publish(message: Outgoing): Promise<void>
  /** Sends and forgets: for questions and answers, which somebody repeats if they are lost. */
  post(message: Outgoing): void
  /** Consumes from now on, over every reconnection. An empty `queue` means a private one, named in `onQueue`. */
  consume(queue: string, how: Consumption, handle: (delivery: Delivery) => void): Consumer
  /** Declares more than the topology the broker was opened with, once: after a reconnection it may have to be done again. */
  declare(topology: Topology): Promise<void>
  close(): Promise<void>
}

const firstRetryMs = 50
const lastRetryMs = 1_000

export function openBroker(options: {
  /** The nodes of one broker: while one is away, the next is tried. */
  urls: readonly string[]
  name: string
  /** Or how to find out, at each connection anew: it may be another node, or have been upgraded. */
  topology: Topology | ((url: string) => Promise<Topology>)
  logger: Logger
}): Broker {
  const { urls, logger } = options
  const subscriptions: Subscription[] = []
  let session: Session | undefined
  let confirmed: ReturnType<typeof createConfirms>
  let closing = false

  async function keepConnected(): Promise<void> {
    let retryMs = firstRetryMs
    let failures = 0
    // Anywhere: instances spread over the nodes.
    for (let turn = Math.floor(Math.random() * urls.length); !closing; turn += 1) {
      const url = urls[turn % urls.length] ?? ''
      try {
        const opened = await openSession(url, options.name)
        try {
          await withDeadline(setUp(opened, url), opened)
        } catch (error) {
          opened.end(reasonOf(error))
          throw error
        }
        session = opened
        confirmed = createConfirms(opened)
        // Those that came while it was being set up.
        for (const subscription of subscriptions) if (!subscription.isOn(opened)) follow(subscription.startOn(opened))
        retryMs = firstRetryMs
        failures = 0
        metrics.brokerConnected.set(1)
        logger.info({ node: hostOf(url) }, 'connected to the broker')
        // Closed while it was being opened: nobody else knows of it.
        if (closing) opened.end('closed')
        const reason = await opened.ended
        if (!closing) logger.warn({ reason }, 'the broker session ended; connecting again')
      } catch (error) {
        failures += 1
        logger.warn({ node: hostOf(url), reason: explain(error) }, 'cannot connect to the broker; trying again')
      }
      session = undefined
      metrics.brokerConnected.set(0)
      // Another node may be there: it is asked at once.
      if (closing || failures % urls.length !== 0) continue
      await sleep(retryMs * (0.75 + Math.random() / 2))
      retryMs = Math.min(retryMs * 2, lastRetryMs)
    }
  }

  async function setUp(opened: Session, url: string): Promise<void> {
    const { topology } = options
    await declareOn(opened.posts, opened.connection, typeof topology === 'function' ? await topology(url) : topology)
    for (const subscription of subscriptions) await subscription.startOn(opened)
  }

  const running = keepConnected()

  const current = (): Session => {
    // One that has ended turns nobody away any more: whoever began to wait there now would wait for ever.
    if (!session || session.over) throw new Unavailable('the broker is not reachable')
    if (session.blocked) throw new Unavailable('the broker is short of memory or disk')
    return session
  }

  return {
    connected: () => session !== undefined && !session.blocked,

    publish: async (message) => {
      current()
      await confirmed(message)
    },

    post: (message) => {
      const { posts } = current()
      try {
        posts.publish(message.exchange, message.routingKey, message.content, message.options)
      } catch (error) {
        throw new Unavailable('the broker is not reachable', { cause: error })
      }
    },

    consume: (queue, how, handle) => {
      const subscription = createSubscription(queue, how, handle)
      subscriptions.push(subscription)
      if (session) follow(subscription.startOn(session))
      return subscription
    },

    declare: async (more) => {
      const open = current()
      await withDeadline(declareMore(open, more), open)
    },

    close: async () => {
      closing = true
      const open = session
      if (open) await withDeadline(open.finish(), open).catch(() => {})
      open?.end('closed')
      await running
    },
  }
}

/** What fails at a session has ended it already, and that is what is looked at. */
function follow(work: Promise<void>): void {
  work.catch(() => {})
}

/** What may stand in a log. */
function hostOf(url: string): string {
  return new URL(url).host
}

function explain(error: unknown): string {
  const reason = reasonOf(error)
  return reason.includes('PRECONDITION_FAILED') || reason.includes('inequivalent arg')
    ? `${reason}. The broker has a queue or exchange of this name with other settings: delete it there, then it is declared anew`
    : reason
}

export type { Consumer, Delivery }
export { Refused, Stalled }
