import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until something is a fact and returns it; a test never sleeps, it waits for what it is about. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  withinMs = 10_000,
  everyMs = 20,
): Promise<T> {
  const deadline = Date.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const fact = await look()
      if (fact !== undefined && fact !== false) return fact
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last })
    await sleep(everyMs)
  }
}
