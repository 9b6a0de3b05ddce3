import { randomUUID } from 'node:crypto'
import autocannon from 'autocannon'
import { send } from './client.ts'
import { type Figures, figuresOf } from './figures.ts'

/** Many buyers at once, each on a connection of its own: the next hold as soon as the last is answered. */

export interface Load {
  readonly url: URL
  /** Access tokens of different users; each connection takes turns among its own share of them. */
  readonly tokens: readonly string[]
  readonly connections: number
  readonly seconds: number
  /** The body of the n-th request of all. */
  body(n: number): string
}

export interface LoadResult {
  readonly figures: Figures
  /** Different holds that were answered 200, those included that were asked for again after the end. */
  readonly holds: number
}

interface Hold {
  readonly token: string
  readonly key: string
  readonly body: string
}

export async function underLoad(load: Load): Promise<LoadResult> {
  const tally = createTally(load)
  await new Promise<void>((resolve, reject) => {
    const { url, connections, seconds: duration } = load
    const options = { url: url.href, method: 'POST' as const, connections, duration, setupClient: tally.connect }
    autocannon(options, (error) => (error ? reject(error as Error) : resolve()))
  })
  return tally.close()
}

function createTally({ url, tokens, connections, body }: Load) {
  const latenciesMs: number[] = []
  const others: Record<string, number> = {}
  const unanswered: Hold[] = []
  const open: (() => void)[] = []
  const startedAt = performance.now()
  let lastAnswerAt = startedAt
  let clients = 0
  let requests = 0

  const count = (status: string | number) => {
    others[status] = (others[status] ?? 0) + 1
  }

  function connect(client: autocannon.Client): void {
    const mine = tokens.filter((_token, index) => index % connections === clients % connections)
    clients += 1
    let pending: Hold | undefined
    let turn = 0
    const giveUp = () => {
      if (pending) unanswered.push(pending)
      pending = undefined
    }
    // autocannon builds a request only when it sends it, except for the first, which it builds here.
    const setupRequest = (request: autocannon.Request): autocannon.Request => {
      // Still there: the connection broke, or the answer took too long.
      if (pending) count('none')
      giveUp()
      pending = { token: mine[turn++ % mine.length] ?? '', key: randomUUID(), body: body(requests++) }
      return { ...request, body: pending.body, headers: headersOf(pending) }
    }
    client.setRequests([{ method: 'POST', path: url.pathname, setupRequest }])
    client.on('response', (status: number, _bytes: number, ms: number) => {
      pending = undefined
      if (status !== 200) return count(status)
      latenciesMs.push(ms)
      lastAnswerAt = performance.now()
    })
    open.push(giveUp)
  }

  /** What was under way at the end may have become a hold: with its key, it is answered now, and counted once. */
  async function close(): Promise<LoadResult> {
    for (const giveUp of open) giveUp()
    const seconds = (lastAnswerAt - startedAt) / 1_000
    const late = await Promise.all(unanswered.map((hold) => send({ method: 'POST', url, ...hold })))
    const holds = latenciesMs.length + late.filter(({ status }) => status === 200).length
    return { figures: figuresOf(latenciesMs, seconds, others), holds }
  }

  return { connect, close }
}

const headersOf = ({ token, key }: Hold) => ({
  authorization: `Bearer ${token}`,
  'x-idempotency-key': key,
  'content-type': 'application/json',
})
