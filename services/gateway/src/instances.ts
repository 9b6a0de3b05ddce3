import { type Dispatcher, errors, Pool } from 'undici'
import type { Headers } from './headers.ts'

/** The instances of one service: whose turn it is, and what to do when one is away. */

export interface Outgoing {
  readonly method: Dispatcher.HttpMethod
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Buffer | null
  /** Whether it does no harm to send it again though it may have arrived. */
  readonly repeatable: boolean
}

export interface Answer {
  readonly statusCode: number
  readonly headers: Headers
  readonly body: Buffer | Dispatcher.ResponseData['body']
}

export interface Instances {
  send(outgoing: Outgoing): Promise<Answer>
  /** Whether any instance says that it is ready. */
  anyReady(): Promise<boolean>
  close(): Promise<void>
}

/** Nothing has been answered in time. */
class TooLate extends Error {
  constructor(afterMs: number) {
    super(`no answer within ${afterMs} ms`)
    this.name = 'TooLate'
  }
}

interface Instance {
  readonly pool: Pool
  /** Until then it comes last: it was away, or hung, a moment ago. */
  restingUntil: number
}

const connectionsEach = 64
const connectTimeoutMs = 1_000
const restMs = 2_000
const probeTimeoutMs = 1_000
const wholeUpToBytes = 64 * 1024

export function openInstances(urls: readonly string[], timeoutMs: number): Instances {
  const instances = urls.map((url): Instance => ({ pool: openPool(url, timeoutMs), restingUntil: 0 }))
  let turn = 0

  function inTurn(): Instance[] {
    turn = (turn + 1) % instances.length
    const order = [...instances.slice(turn), ...instances.slice(0, turn)]
    const now = Date.now()
    return order.sort((a, b) => Number(a.restingUntil > now) - Number(b.restingUntil > now))
  }

  return {
    send: (outgoing) =>
      withDeadline(timeoutMs, (signal) => sendToOne(instances.length > 1 ? inTurn() : instances, outgoing, signal)),
    anyReady: () =>
      Promise.any(instances.map(probe)).then(
        () => true,
        () => false,
      ),
    close: async () => {
      await Promise.all(instances.map(({ pool }) => pool.close()))
    },
  }
}

function openPool(url: string, timeoutMs: number): Pool {
  return new Pool(url, {
    connections: connectionsEach,
    connect: { timeout: connectTimeoutMs },
    // The exchange as a whole has one deadline, waiting for a connection included; undici's own clock
    // would start only when the request is written.
    headersTimeout: 0,
    bodyTimeout: timeoutMs,
  })
}

/**
 * Never connected: nothing was sent, so the next instance is asked, each once. Connected and cut: it may have been
 * done, so it is repeated only if that is harmless, once. A kept connection that its server closes at that very
 * moment is such a cut, so this also hides the restart of an instance.
 */
async function sendToOne(
  [instance, ...others]: readonly Instance[],
  outgoing: Outgoing,
  signal: AbortSignal,
  repeated = false,
): Promise<Answer> {
  if (!instance) throw new Error('a service has at least one instance')
  const { method, path, headers, body } = outgoing
  try {
    return await whole(await instance.pool.request({ method, path, headers, body, signal }))
  } catch (error) {
    const kind = failureOf(error)
    if (kind !== 'other') instance.restingUntil = Date.now() + restMs
    if (kind === 'not-connected' && others.length > 0) return sendToOne(others, outgoing, signal, repeated)
    if (kind === 'cut' && outgoing.repeatable && !repeated)
      return sendToOne([...others, instance], outgoing, signal, true)
    throw error
  }
}

/**
 * A small answer is taken whole, within the deadline: it goes on in one write, and one that breaks off is repeated or a
 * 503 instead of half a body. Anything else is passed on as it comes.
 */
async function whole({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<Answer> {
  const isSmall = Number(headers['content-length'] ?? Number.NaN) <= wholeUpToBytes
  return { statusCode, headers, body: isSmall ? Buffer.from(await body.arrayBuffer()) : body }
}

const connectCodes = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])

function failureOf(error: unknown): 'not-connected' | 'cut' | 'too-late' | 'other' {
  if (error instanceof TooLate) return 'too-late'
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (connectCodes.has(code)) return 'not-connected'
  return error instanceof errors.SocketError || code === 'ECONNRESET' || code === 'EPIPE' ? 'cut' : 'other'
}

async function withDeadline<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController()
  const timer = setTimeout(() => ended.abort(new TooLate(ms)), ms)
  try {
    return await work(ended.signal)
  } finally {
    clearTimeout(timer)
  }
}

async function probe({ pool }: Instance): Promise<void> {
  const signal = AbortSignal.timeout(probeTimeoutMs)
  const { statusCode, body } = await pool.request({ method: 'GET', path: '/health/ready', signal })
  await body.dump()
  if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
}
