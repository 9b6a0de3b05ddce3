/** One request to the API, as `GET /_emulator/requests` tells it. */
export interface RequestEntry {
  at: string
  /** Null for a path that is no operation. */
  operation: string | null
  method: string
  path: string
  idempotencyKey: string | null
  params: unknown
  /** Null while it runs, and for good when the connection was reset. */
  status: number | null
}

export interface RequestLog {
  /** Returns the entry, to be completed as the request goes on. */
  begin(entry: RequestEntry): RequestEntry
  /** Without card numbers, security codes and secrets. */
  newestFirst(): RequestEntry[]
  clear(): void
}

const MAX_ENTRIES = 2000

export function createRequestLog(): RequestLog {
  let entries: RequestEntry[] = []
  return {
    begin: (entry) => {
      entries.push(entry)
      // Cut in bulk: shifting the array on every request would cost more than the request.
      if (entries.length >= 2 * MAX_ENTRIES) entries = entries.slice(-MAX_ENTRIES)
      return entry
    },
    // Hidden when read, not when written: hardly any request is ever looked at.
    newestFirst: () =>
      entries
        .slice(-MAX_ENTRIES)
        .reverse()
        .map((entry) => ({ ...entry, params: withoutSecrets(entry.params) })),
    clear: () => {
      entries = []
    },
  }
}

const SECRET = new Set(['cvc', 'client_secret', 'key'])

/** A copy without card numbers, security codes and secrets. */
function withoutSecrets(params: unknown): unknown {
  if (Array.isArray(params)) return params.map(withoutSecrets)
  if (typeof params !== 'object' || params === null) return params
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (typeof value !== 'string') return [name, withoutSecrets(value)]
      if (name === 'number') return [name, `${'*'.repeat(12)}${value.slice(-4)}`]
      return [name, SECRET.has(name) ? '***' : value]
    }),
  )
}
