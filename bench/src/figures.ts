/** What a measurement comes down to. */
export interface Figures {
  /** Answers with 200. */
  readonly answered: number
  /** Everything else, by status; `none` for no answer at all. */
  readonly others: Readonly<Record<string, number>>
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Processor time of each process for each answer, where it was measured. */
  readonly cpuMs?: Readonly<Record<string, number>>
}

/** Exact, from every single latency of an answer with 200; a histogram would round to whole milliseconds. */
export function figuresOf(
  latenciesMs: readonly number[],
  seconds: number,
  others: Readonly<Record<string, number>> = {},
): Figures {
  const sorted = Float64Array.from(latenciesMs).sort()
  const at = (share: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return {
    answered: sorted.length,
    others,
    perSecond: rounded(sorted.length / seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
  }
}

export const rounded = (value: number): number => Math.round(value * 100) / 100

/** One way of measuring, round by round. */
export interface Measure {
  readonly name: string
  /** Which round is the best: a load's by its rate, a latency's by its median. */
  readonly by: 'perSecond' | 'p50Ms'
  readonly rounds: Figures[]
}

export function bestOf({ by, rounds }: Measure): Figures {
  const better = (a: Figures, b: Figures) => (by === 'perSecond' ? a.perSecond >= b.perSecond : a.p50Ms <= b.p50Ms)
  return rounds.reduce((best, each) => (better(best, each) ? best : each))
}

/** The median over the rounds of how one measure compares with the other. */
export function ratio(by: Measure['by'], over: Measure, under: Measure): number | undefined {
  const ratios = over.rounds.map((figures, round) => figures[by] / (under.rounds[round]?.[by] ?? Number.NaN))
  const median = ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 2)]
  return median === undefined ? undefined : rounded(median)
}
