import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import type { Logger } from '@holdfast/runtime/logger'
import { metrics } from '@holdfast/runtime/metrics'
import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  connect,
  type Options,
} from 'amqplib'
import type { Topology } from './topology.ts'

/**
 * The only file that knows amqplib. It keeps one connection alive: whenever the connection, one of its channels or one of
 * its consumers ends (a cut socket, a 404 or 406, a deleted queue), all of it is thrown away and built again, with
 * everything re-declared. One way to heal, whatever was wrong.
 */

export interface Delivery {
  readonly content: Buffer
  readonly replyTo: string | undefined
  readonly correlationId: string | undefined
  /** It was delivered before, and whoever had it died or gave it back. */
  readonly redelivered: boolean
  /** Why the broker dead-lettered it, on a dead-letter queue. */
  readonly deathReason: string | undefined
  ack(): void
  /** Back to the queue, for this or another consumer. */
  giveBack(): void
  /** Not to be delivered again: to the dead-letter queue, where the queue has one. */
  reject(): void
}

export interface Consumer {
  /** No more deliveries until `resume`; what was delivered stays with the handlers. */
  pause(): Promise<void>
  resume(): Promise<void>
}

export interface Outgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly options: Options.Publish
}

/** The broker is well and will not have this message: no queue takes it, or a queue turns it away. */
export class Refused extends Error {}

export interface Broker {
  /** Whether it takes messages now: connected, with everything declared, and not out of memory or disk. */
  connected(): boolean
  /**
   * Resolves when the broker has it (on disk, if persistent). Rejects with `Refused` when the broker is there and does not
   * take it, and with `Unavailable` when what became of it is not known.
   */
  publish(message: Outgoing): Promise<void>
  /** Sends and forgets: for questions and answers, which somebody repeats if they are lost. */
  post(message: Outgoing): void
  /** Consumes from now on, over every reconnection. An empty `queue` means a private one, named in `onQueue`. */
  consume(
    queue: string,
    options: { prefetch: number; noAck?: boolean; onQueue?: (name: string) => void },
    handle: (delivery: Delivery) => void,
  ): Consumer
  /** Declares more than the topology the broker was opened with, once: after a reconnection it may have to be done again. */
  declare(topology: Topology): Promise<void>
  close(): Promise<void>
}

interface Subscription {
  readonly queue: string
  readonly prefetch: number
  readonly noAck: boolean
  readonly onQueue: ((name: string) => void) | undefined
  readonly handle: (delivery: Delivery) => void
  paused: boolean
  live: { channel: Channel; tag: string } | undefined
}

interface Session {
  readonly connection: ChannelModel
  readonly confirms: ConfirmChannel
  readonly posts: Channel
  /** Whoever waits for a confirm; all are turned away when the session ends. */
  readonly waiting: Set<(error: Error) => void>
  /** Ids of messages that no queue took. */
  readonly returned: Set<string>
  readonly ended: Promise<string>
  readonly over: boolean
  /** The broker is short of memory or disk: it reads nothing that we send until it is well again. */
  readonly blocked: boolean
  /** One more channel; should it end, the session does. */
  openChannel(what: string): Promise<Channel>
  end(reason: string): void
  /** Ends it when all that was sent has arrived. */
  finish(): Promise<void>
}

const firstRetryMs = 50
const lastRetryMs = 1_000
/** A dead socket is noticed after three of them at the latest. */
const heartbeatSeconds = 4
const setupTimeoutMs = 10_000

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
        // Those that were resumed while it was being set up.
        for (const subscription of subscriptions) if (!subscription.live) startLater(subscription, opened)
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
      for (const subscription of subscriptions) subscription.live = undefined
      // Another node may be there: it is asked at once.
      if (closing || failures % urls.length !== 0) continue
      await sleep(retryMs * (0.75 + Math.random() / 2))
      retryMs = Math.min(retryMs * 2, lastRetryMs)
    }
  }

  async function setUp(opened: Session, url: string): Promise<void> {
    const { topology } = options
    await declareOn(opened.posts, opened.connection, typeof topology === 'function' ? await topology(url) : topology)
    for (const subscription of subscriptions) await start(subscription, opened)
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

    publish: (message) =>
      new Promise((resolve, reject) => {
        const { confirms, waiting, returned } = current()
        const id = message.options.messageId ?? ''
        const turnAway = (error: Error) => reject(new Unavailable('the broker did not confirm', { cause: error }))
        waiting.add(turnAway)
        const settled = (error: unknown) => {
          waiting.delete(turnAway)
          if (isNack(error)) return reject(new Refused(`the broker refuses ${message.routingKey}`))
          if (error) return turnAway(error as Error)
          if (returned.delete(id)) return reject(new Refused(`no queue takes ${message.routingKey}`))
          resolve()
        }
        attempt(() => confirms.publish(message.exchange, message.routingKey, message.content, message.options, settled))
      }),

    post: (message) => {
      const { posts } = current()
      attempt(() => posts.publish(message.exchange, message.routingKey, message.content, message.options))
    },

    consume: (queue, { prefetch, noAck = false, onQueue }, handle) => {
      const subscription: Subscription = { queue, prefetch, noAck, onQueue, handle, paused: false, live: undefined }
      subscriptions.push(subscription)
      if (session) startLater(subscription, session)
      return {
        pause: async () => {
          subscription.paused = true
          const { live } = subscription
          subscription.live = undefined
          if (live && session) await withDeadline(live.channel.cancel(live.tag), session).catch(() => {})
        },
        resume: async () => {
          subscription.paused = false
          if (session && !subscription.live) startLater(subscription, session)
        },
      }
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

function startLater(subscription: Subscription, session: Session): void {
  start(subscription, session).catch((error: unknown) => session.end(reasonOf(error)))
}

async function start(subscription: Subscription, session: Session): Promise<void> {
  if (subscription.paused) return
  const channel = await session.openChannel('a consumer channel')
  await channel.prefetch(subscription.prefetch)
  const queue = subscription.queue || (await channel.assertQueue('', { exclusive: true, autoDelete: true })).queue
  subscription.onQueue?.(queue)
  const { consumerTag } = await channel.consume(
    queue,
    (message) => {
      if (message) subscription.handle(deliveryOf(channel, message, subscription.noAck))
      else session.end(`the queue ${queue} was deleted`)
    },
    { noAck: subscription.noAck },
  )
  subscription.live = { channel, tag: consumerTag }
}

function deliveryOf(channel: Channel, message: ConsumeMessage, noAck: boolean): Delivery {
  const { replyTo, correlationId, headers } = message.properties
  // On a channel that has died meanwhile both throw; the broker delivers the message again by itself.
  const settle = (how: () => void) => (noAck ? undefined : ignoreDeadChannel(how))
  return {
    content: message.content,
    redelivered: message.fields.redelivered,
    replyTo: replyTo as string | undefined,
    correlationId: correlationId as string | undefined,
    deathReason: headers?.['x-first-death-reason'] as string | undefined,
    ack: () => settle(() => channel.ack(message)),
    giveBack: () => settle(() => channel.nack(message, false, true)),
    reject: () => settle(() => channel.nack(message, false, false)),
  }
}

async function openSession(url: string, name: string): Promise<Session> {
  const connection = await connect(withHeartbeat(url), {
    noDelay: true,
    timeout: 5_000,
    keepAlive: true,
    clientProperties: { connection_name: name },
  })
  const waiting = new Set<(error: Error) => void>()
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  let over = false
  const end = (reason: string) => {
    if (over) return
    over = true
    for (const turnAway of waiting) turnAway(new Error(reason))
    waiting.clear()
    connection.close().catch(() => {})
    resolve(reason)
  }
  watch(connection, 'the connection', end)
  const channels: Channel[] = []
  let finishing = false
  const attend = <C extends Channel>(channel: C, what: string): C => {
    channels.push(channel)
    watch(channel, what, (reason) => (finishing ? undefined : end(reason)))
    return channel
  }
  let blocked = false
  const setBlocked = (now: boolean) => {
    blocked = now
    metrics.brokerConnected.set(now ? 0 : 1)
  }
  connection.on('blocked', () => setBlocked(true))
  connection.on('unblocked', () => setBlocked(false))
  connection.on('handler-error', (error: Error) => end(`a handler threw: ${error.message}`))
  try {
    const [confirms, posts] = await withDeadline(
      Promise.all([connection.createConfirmChannel(), connection.createChannel()]),
      { ended },
    )
    attend(confirms, 'the publishing channel')
    attend(posts, 'the posting channel')
    const returned = new Set<string>()
    confirms.on('return', (message) => returned.add(String(message.properties.messageId)))
    return {
      connection,
      confirms,
      posts,
      waiting,
      returned,
      ended,
      get over() {
        return over
      },
      get blocked() {
        return blocked
      },
      openChannel: async (what) => attend(await connection.createChannel(), what),
      end,
      finish: async () => {
        finishing = true
        // Each channel sends by itself: the end of the connection could overtake an answer or an acknowledgement.
        await Promise.all(channels.map((channel) => channel.close()))
        await connection.close()
      },
    }
  } catch (error) {
    end(reasonOf(error))
    throw error
  }
}

type Emitter = Pick<ChannelModel | Channel, 'on'>

/** `error` needs a listener before anything else happens, or a socket cut during set-up ends the process. */
function watch(emitter: Emitter, what: string, end: (reason: string) => void): void {
  emitter.on('error', (error: Error) => end(`${what}: ${error.message}`))
  emitter.on('close', () => end(`${what} was closed`))
}

/** A reply that never comes, because the connection died while we waited for it, is a failure. */
async function withDeadline<T>(work: Promise<T>, session: Pick<Session, 'ended'>): Promise<T> {
  const timer = new AbortController()
  try {
    return await Promise.race([
      work,
      session.ended.then((reason): never => {
        throw new Error(reason)
      }),
      sleep(setupTimeoutMs, undefined, { signal: timer.signal }).then((): never => {
        throw new Error('the broker did not answer in time')
      }),
    ])
  } finally {
    timer.abort()
    work.catch(() => {})
  }
}

async function declareOn(
  channel: Channel,
  connection: ChannelModel,
  { exchanges, queues, bindings }: Topology,
): Promise<void> {
  for (const { name, type, arguments: args } of exchanges)
    await channel.assertExchange(name, type, { durable: true, ...(args && { arguments: args }) })
  const kindOf = hasSoundQuorumQueues(connection) ? keep : asClassic
  for (const { name, arguments: args } of queues)
    await channel.assertQueue(name, { durable: true, arguments: kindOf(args) })
  for (const { queue, exchange, key } of bindings) await channel.bindQueue(queue, exchange, key)
}

/**
 * Quorum queues from RabbitMQ 4 on. On 3.10.8 we have seen one of eight left without a leader by the second kill -9, and
 * stay so: nobody could consume from it any more. Its classic queues lost nothing. See docs/adr/0008.
 */
function hasSoundQuorumQueues({ connection }: ChannelModel): boolean {
  return Number.parseInt(String(connection.serverProperties.version), 10) >= 4
}

const keep = (args: Record<string, unknown>) => args

function asClassic(args: Record<string, unknown>): Record<string, unknown> {
  if (args['x-queue-type'] !== 'quorum') return args
  const { 'x-queue-type': _type, 'x-delivery-limit': _limit, ...rest } = args
  return rest
}

async function declareMore({ connection }: Session, more: Topology): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  await declareOn(channel, connection, more)
  await channel.close()
}

/** Whether the broker has an exchange type. On a connection of its own: an unknown type closes all of it. */
export async function hasExchangeType(url: string, type: string, args: Record<string, unknown>): Promise<boolean> {
  const connection = await connect(withHeartbeat(url), { timeout: 5_000 })
  const gone = new Promise<boolean>((resolve) => {
    connection.on('error', () => resolve(false))
    connection.on('close', () => resolve(false))
  })
  const probe = async () => {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    const name = `holdfast.probe.${process.pid}.${Date.now()}`
    await channel.assertExchange(name, type, { durable: false, autoDelete: true, arguments: args })
    await channel.deleteExchange(name)
    return true
  }
  try {
    return await Promise.race([probe().catch(() => false), gone])
  } finally {
    await connection.close().catch(() => {})
  }
}

/** What may stand in a log. */
function hostOf(url: string): string {
  return new URL(url).host
}

function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(heartbeatSeconds))
  return parsed.toString()
}

/** amqplib tells a refusal from a channel that closed only by its text. */
const isNack = (error: unknown) => error instanceof Error && error.message === 'message nacked'

function attempt(publish: () => boolean): void {
  try {
    publish()
  } catch (error) {
    throw new Unavailable('the broker is not reachable', { cause: error })
  }
}

function ignoreDeadChannel(settle: () => void): void {
  try {
    settle()
  } catch {
    // The channel is gone, and with it the delivery: the broker gives it to the next consumer.
  }
}

function explain(error: unknown): string {
  const reason = reasonOf(error)
  return reason.includes('PRECONDITION_FAILED') || reason.includes('inequivalent arg')
    ? `${reason}. The broker has a queue or exchange of this name with other settings: delete it there, then it is declared anew`
    : reason
}
