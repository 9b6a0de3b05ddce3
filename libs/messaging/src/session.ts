import type { Duplex } from 'node:stream'
import { reasonOf } from '@holdfast/contracts/errors'
import { metrics } from '@holdfast/runtime/metrics'
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib'

/** One connection to the broker with its channels, from its beginning to its end. Whatever ends, all of it ends. */
export interface Session {
  readonly connection: ChannelModel
  readonly posts: Channel
  readonly ended: Promise<string>
  /** Tells of its end, at once if it has ended; what is given back stops that. Thousands wait for a moment in a session's life. */
  onEnd(tell: (reason: string) => void): () => void
  readonly over: boolean
  /** The broker is short of memory or disk: it reads nothing that we send until it is well again. */
  readonly blocked: boolean
  /** One more channel; should it end, the session does. */
  openChannel(what: string): Promise<Channel>
  openConfirmChannel(what: string): Promise<ConfirmChannel>
  /** Closes a channel that is of no use any more. Where the broker does not answer that either, the session ends. */
  drop(channel: Channel): Promise<void>
  end(reason: string): void
  /** Ends it when all that was sent has arrived. */
  finish(): Promise<void>
}

/** A dead socket is noticed after three of them at the latest. */
const heartbeatSeconds = 4
const setupTimeoutMs = 10_000
const closeTimeoutMs = 5_000

export async function openSession(url: string, name: string): Promise<Session> {
  const connection = await connect(withHeartbeat(url), {
    noDelay: true,
    timeout: 5_000,
    keepAlive: true,
    clientProperties: { connection_name: name },
  })
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  let over: string | undefined
  const listeners = new Set<(reason: string) => void>()
  const onEnd: Session['onEnd'] = (tell) => {
    if (over !== undefined) tell(over)
    else listeners.add(tell)
    return () => listeners.delete(tell)
  }
  const end = (reason: string) => {
    if (over !== undefined) return
    over = reason
    closeForGood(connection)
    for (const tell of listeners) tell(reason)
    resolve(reason)
  }
  watch(connection, 'the connection', end)
  const channels = new Set<Channel>()
  let finishing = false
  const attend = <C extends Channel>(channel: C, what: string): C => {
    channels.add(channel)
    watch(channel, what, (reason) => (finishing || !channels.has(channel) ? undefined : end(reason)))
    return channel
  }
  let blocked = false
  const setBlocked = (now: boolean) => {
    blocked = now
    metrics.brokerConnected.set(now ? 0 : 1)
  }
  connection.on('blocked', () => setBlocked(true))
  connection.on('unblocked', () => setBlocked(false))
  try {
    const posts = attend(await withDeadline(connection.createChannel(), { onEnd }), 'the posting channel')
    return {
      connection,
      posts,
      ended,
      onEnd,
      get over() {
        return over !== undefined
      },
      get blocked() {
        return blocked
      },
      openChannel: async (what) => attend(await connection.createChannel(), what),
      openConfirmChannel: async (what) => attend(await connection.createConfirmChannel(), what),
      drop: async (channel) => {
        channels.delete(channel)
        await withDeadline(channel.close(), { onEnd }).catch((error) => end(reasonOf(error)))
      },
      end,
      finish: async () => {
        finishing = true
        // Each channel sends by itself: the end of the connection could overtake an answer or an acknowledgement.
        await Promise.all([...channels].map((channel) => channel.close()))
        await connection.close()
      },
    }
  } catch (error) {
    end(reasonOf(error))
    throw error
  }
}

/**
 * Where the broker does not take its leave, the socket is destroyed: it may have stopped reading from us (a channel of ours that
 * has run out of credit), and would keep what it has delivered for ever.
 */
function closeForGood(connection: ChannelModel): void {
  connection.close().catch(() => {})
  const { stream } = connection.connection as unknown as { stream: Duplex }
  const timer = setTimeout(() => stream.destroy(new Error('the broker does not take its leave')), closeTimeoutMs)
  stream.once('close', () => clearTimeout(timer))
  timer.unref()
}

type Emitter = Pick<ChannelModel | Channel, 'on'>

/** `error` needs a listener before anything else happens, or a socket cut during set-up ends the process. */
function watch(emitter: Emitter, what: string, end: (reason: string) => void): void {
  emitter.on('error', (error: Error) => end(`${what}: ${error.message}`))
  emitter.on('close', () => end(`${what} was closed`))
}

/** A reply that never comes, because the connection died while we waited for it, is a failure. */
export async function withDeadline<T>(work: Promise<T>, session: Pick<Session, 'onEnd'>): Promise<T> {
  const { promise: failure, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('the broker did not answer in time')), setupTimeoutMs)
  const stopListening = session.onEnd((reason) => reject(new Error(reason)))
  try {
    return await Promise.race([work, failure])
  } finally {
    clearTimeout(timer)
    stopListening()
    work.catch(() => {})
  }
}

export function withHeartbeat(url: string): string {
  const parsed = new URL(url)
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(heartbeatSeconds))
  return parsed.toString()
}
