/** Something that was measured, and what it came to. Units stand in the names: `p99Ms`, `perSecond`. */
export interface Fact {
  readonly what: string
  readonly figures: Readonly<Record<string, number>>
}

export function distribution(valuesMs: readonly number[]): Record<string, number> {
  const sorted = valuesMs.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { times: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}

/** Waits for a fact and says how long that took. */
export async function took(what: string, fact: () => Promise<boolean> | boolean, withinMs: number): Promise<number> {
  const startedAt = performance.now()
  while (!(await fact())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return performance.now() - startedAt
}
