import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Route } from '@holdfast/contracts/route'
import type { Answer, CallOptions } from '../support/api.ts'
import { count, type Diary, type Tally } from './diary.ts'
import type { Stage } from './stage.ts'

/** An honest client: whatever is unavailable, broken or silent is asked again, with the same key, for as long as it has patience. */
export interface Client {
  /** undefined: patience is over. */
  ask<R extends Route>(route: R, options?: Omit<CallOptions<R>, 'as'>): Promise<Answer | undefined>
}

/** Every request is answered within 5 s; a client that hears nothing for longer hangs up. */
const hangUpMs = 8_000
const pauseMs = { first: 150, longest: 2_000 }

export function clientOf(stage: Stage, diary: Diary, tally: Tally, patienceMs: number): Client {
  return {
    ask: async (route, options) => {
      const key = options?.key ?? randomUUID()
      const deadline = Date.now() + patienceMs
      for (let pause = pauseMs.first; Date.now() < deadline; pause = Math.min(pause * 2, pauseMs.longest)) {
        const calling = stage.gateway().call(route, { ...options, as: diary.user, key } as CallOptions<typeof route>)
        const answer = await within(hangUpMs, calling).catch(() => undefined)
        count(tally, answer ? String(answer.status) : 'broken')
        if (answer && !isPassing(answer)) return answer
        if (answer && answer.status >= 500 && answer.status !== 503)
          diary.wrong.push(`${route.method} ${route.url}: ${answer.status} ${JSON.stringify(answer.body)}`)
        await sleep(Math.max(pause, Number(answer?.headers.get('retry-after') ?? 0) * 1_000))
      }
      return undefined
    },
  }
}

export const codeOf = (answer: Answer): string => (answer.body as { error?: string }).error ?? String(answer.status)

const isPassing = (answer: Answer) => answer.status >= 500 || answer.status === 429 || answer.status === 409

export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = sleep(ms, undefined, { signal: over.signal }).then(() => Promise.reject(new Error('no answer')))
  late.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    over.abort()
  }
}
