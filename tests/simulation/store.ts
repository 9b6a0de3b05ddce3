/** A database in memory: tables, and transactions that happen entirely or not at all. */
export interface Table<Row extends object> {
  get(key: string): Row | undefined
  put(key: string, row: Row): void
  change(key: string, columns: Partial<Row>): void
  remove(key: string): boolean
  all(): Iterable<Row>
  where(condition: (row: Row) => boolean): Row[]
  /**
   * When the first of the rows is due, by a column that is null where there is nothing to be done. One past it, for a lease
   * has run out only after its time.
   */
  firstDue(column: (row: Row) => Date | number | null): () => number | undefined
}

export interface Store {
  table<Row extends object>(): Table<Row>
  begin(): void
  commit(): void
  rollback(): void
  isOpen(): boolean
  /** Grows with every change, so that whoever checks knows whether there is anything to check. */
  changes(): number
}

export function createStore(): Store {
  let undo: (() => void)[] | undefined
  let changes = 0

  function table<Row extends object>(): Table<Row> {
    const rows = new Map<string, Row>()
    let version = 0
    function put(key: string, row: Row | undefined): void {
      const before = rows.get(key)
      undo?.push(() => {
        version += 1
        if (before) rows.set(key, before)
        else rows.delete(key)
      })
      changes += 1
      version += 1
      if (row) rows.set(key, row)
      else rows.delete(key)
    }
    return {
      get: (key) => rows.get(key),
      put,
      change: (key, columns) => {
        const before = rows.get(key)
        if (before) put(key, { ...before, ...columns })
      },
      remove: (key) => {
        const isThere = rows.has(key)
        if (isThere) put(key, undefined)
        return isThere
      },
      all: () => rows.values(),
      where: (condition) => {
        const found: Row[] = []
        for (const row of rows.values()) if (condition(row)) found.push(row)
        return found
      },
      firstDue: (column) => {
        // It is asked at every step, and seldom is the answer another one.
        let [known, first]: [number, number | undefined] = [-1, undefined]
        return () => {
          if (known === version) return first
          known = version
          first = undefined
          for (const row of rows.values()) {
            const at = column(row)
            if (at !== null && (first === undefined || Number(at) + 1 < first)) first = Number(at) + 1
          }
          return first
        }
      },
    }
  }

  return {
    table,
    begin: () => {
      if (undo) throw new Error('a transaction was begun while another one waits for something')
      undo = []
    },
    commit: () => {
      undo = undefined
    },
    rollback: () => {
      for (const back of undo?.reverse() ?? []) back()
      undo = undefined
    },
    isOpen: () => undo !== undefined,
    changes: () => changes,
  }
}
