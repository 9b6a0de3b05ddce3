import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '@holdfast/contracts/errors'
import { metrics } from '@holdfast/runtime/metrics'
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib'

/** One connection to the broker with its channels, from its beginning to its end. Whatever ends, all of it ends. */
export interface Session {
  readonly connection: ChannelModel
  readonly confirms: ConfirmChannel
  readonly posts: Channel
  /** Whoever waits for a confirm; all are turned away when the session ends. */
  readonly waiting: Set<(error: Error) => void>
  /** Messages that no queue took, and how often: the same one may be under way twice. */
  readonly returned: Map<string, number>
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

/** A dead socket is noticed after three of them at the latest. */
const heartbeatSeconds = 4
const setupTimeoutMs = 10_000

export async function openSession(url: string, name: string): Promise<Session> {
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
    const returned = new Map<string, number>()
    confirms.on('return', ({ properties }) => {
      const id = String(properties.messageId)
      returned.set(id, (returned.get(id) ?? 0) + 1)
    })
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
export async function withDeadline<T>(work: Promise<T>, session: Pick<Session, 'ended'>): Promise<T> {
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

export function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(heartbeatSeconds))
  return parsed.toString()
}
