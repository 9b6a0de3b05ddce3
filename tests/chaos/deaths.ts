/** Processes that end without anybody having killed them: nothing that happens around a service may be its death. */
export interface Deaths {
  /** That process will die, for we kill it. */
  expect(name: string): void
  /** It was to die and has not: that is no licence for later. */
  excuse(name: string): void
  /** Names of processes that died more often than they were killed. */
  unexpected(): { name: string; times: number }[]
  stop(): void
}

const lookEveryMs = 250

export function watchDeaths(processes: () => readonly { name: string; pid: number }[]): Deaths {
  const pids = new Map<string, Set<number>>()
  const expected = new Map<string, number>()
  const look = () => {
    for (const { name, pid } of processes()) {
      const seen = pids.get(name) ?? new Set()
      pids.set(name, seen.add(pid))
    }
  }
  const change = (name: string, by: number) => expected.set(name, (expected.get(name) ?? 0) + by)
  look()
  const timer = setInterval(look, lookEveryMs)
  return {
    expect: (name) => change(name, 1),
    excuse: (name) => change(name, -1),
    unexpected: () => {
      look()
      return [...pids]
        .map(([name, seen]) => ({ name, times: seen.size - 1 - (expected.get(name) ?? 0) }))
        .filter(({ times }) => times > 0)
    },
    stop: () => clearInterval(timer),
  }
}
