import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import type { Logger } from './logger.ts'

/**
 * Group commit: whatever has queued up while the last statement ran goes into the next one, in the order of its arrival.
 * Nobody waits for a batch to fill, so a crowd costs one commit for many, and a single caller none more.
 */
export interface Batching<Item, Result> {
  readonly name: string
  /** Items in one statement. More than this gains little, and each waits for all. */
  readonly limit: number
  readonly logger: Logger
  /** The results in the order of the items. */
  runAll(items: readonly Item[]): Promise<readonly Result[]>
  /** After a batch has failed over one of its items: by itself, each is nobody else's trouble. */
  runOne(item: Item): Promise<Result>
  /** The size of each batch, for a metric. */
  observe?(size: number): void
}

/** Waiting items; one more is turned away at once rather than kept until its caller has lost patience. */
const queueLimit = 5_000

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

export function createBatcher<Item, Result>(batching: Batching<Item, Result>): (item: Item) => Promise<Result> {
  const queue: Waiting<Item, Result>[] = []
  let busy = false

  async function work(): Promise<void> {
    // Not yet: what arrived in the same packet goes along.
    await Promise.resolve()
    while (queue.length > 0) await runBatch(queue.splice(0, batching.limit))
    busy = false
  }

  async function runBatch(batch: Waiting<Item, Result>[]): Promise<void> {
    batching.observe?.(batch.length)
    try {
      const results = await batching.runAll(batch.map(({ item }) => item))
      if (results.length !== batch.length) throw new Error(`${batching.name} left somebody without an answer`)
      for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result)
    } catch (error) {
      if (error instanceof Unavailable) for (const { reject } of batch) reject(error)
      else await runOneByOne(batch, error)
    }
  }

  async function runOneByOne(batch: Waiting<Item, Result>[], cause: unknown): Promise<void> {
    const about = { reason: reasonOf(cause), items: batch.length }
    if (batch.length > 1) batching.logger.warn(about, `${batching.name}: a batch failed; going one by one`)
    let away: unknown
    for (const { item, resolve, reject } of batch) {
      // None of the others would fare better, and each would be waited for.
      if (away) reject(away)
      else
        await batching.runOne(item).then(resolve, (error: unknown) => {
          if (error instanceof Unavailable) away = error
          reject(error)
        })
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (queue.length >= queueLimit) return reject(new Unavailable(`${batching.name}: too many are waiting`))
      queue.push({ item, resolve, reject })
      if (busy) return
      busy = true
      void work()
    })
}
