import type { Journal } from './journal.ts'
import { INDEXES, type Kind, MAX_ROWS, type Row, type Tables } from './rows.ts'

export interface Reader {
  get<K extends Kind>(kind: K, id: string): Tables[K] | undefined
  /** Newest first. With `where`, by an indexed member. */
  newestFirst<K extends Kind>(kind: K, where?: { member: string; value: string }): Iterable<Tables[K]>
}

export interface Transaction extends Reader {
  put<K extends Kind>(kind: K, row: Tables[K]): void
}

export interface Store extends Reader {
  /**
   * Runs `work` and, unless it throws, applies and journals all it put as one. It is synchronous on purpose: nothing can
   * come between reading an intent and changing it.
   */
  transact<T>(work: (tx: Transaction) => T): T
  close(): void
}

interface Table {
  rows: Map<string, { seq: number; row: { id: string } }>
  /** `member=value` to the ids of its rows. */
  index: Map<string, Set<string>>
}

export function openStore(journal: Journal): Store {
  const tables = new Map<Kind, Table>()
  const sequence = { last: 0 }
  const tableOf = (kind: Kind): Table => {
    const table = tables.get(kind) ?? { rows: new Map(), index: new Map() }
    tables.set(kind, table)
    return table
  }
  const apply = ([kind, row]: Row) => putRow(tableOf(kind), kind, row as { id: string }, sequence)
  for (const rows of journal.load()) rows.forEach(apply)

  const reader: Reader = {
    get: <K extends Kind>(kind: K, id: string) => tableOf(kind).rows.get(id)?.row as Tables[K] | undefined,
    newestFirst: <K extends Kind>(kind: K, where?: { member: string; value: string }) =>
      newestFirst(tableOf(kind), where) as Iterable<Tables[K]>,
  }
  return {
    ...reader,
    transact: (work) => {
      const changes = new Map<string, Row>()
      const result = work({
        get: <K extends Kind>(kind: K, id: string) =>
          (changes.get(`${kind} ${id}`)?.[1] as Tables[K] | undefined) ?? reader.get(kind, id),
        newestFirst: (kind, where) => withChanges(kind, where, changes, reader),
        put: (kind, row) => {
          changes.set(`${kind} ${(row as { id: string }).id}`, [kind, row] as Row)
        },
      })
      if (changes.size > 0) {
        const rows = [...changes.values()]
        journal.append(rows, () => allRows(tables))
        rows.forEach(apply)
      }
      return result
    },
    close: () => journal.close(),
  }
}

/** A list as the transaction has made it so far: its own rows first. */
function withChanges<K extends Kind>(
  kind: K,
  where: { member: string; value: string } | undefined,
  changes: Map<string, Row>,
  reader: Reader,
): Iterable<Tables[K]> {
  const committed = reader.newestFirst(kind, where)
  const mine = [...changes.values()].filter(([changed]) => changed === kind).map(([, row]) => row as Tables[K])
  if (mine.length === 0) return committed
  const isMine = new Set(mine.map((row) => (row as { id: string }).id))
  const matches = (row: Tables[K]) =>
    where === undefined || (row as unknown as Record<string, unknown>)[where.member] === where.value
  return [...mine.filter(matches).reverse(), ...[...committed].filter((row) => !isMine.has((row as { id: string }).id))]
}

function putRow(table: Table, kind: Kind, row: { id: string }, sequence: { last: number }): void {
  const old = table.rows.get(row.id)
  if (old) unindex(table, kind, old.row)
  const seq = old?.seq ?? ++sequence.last
  table.rows.set(row.id, { seq, row })
  for (const key of indexKeys(kind, row)) {
    const ids = table.index.get(key) ?? new Set()
    table.index.set(key, ids.add(row.id))
  }
  if (table.rows.size > MAX_ROWS[kind]) dropOldest(table, kind)
}

/** A Map keeps the order of insertion, so its first entry is the oldest. */
function dropOldest(table: Table, kind: Kind): void {
  for (const [id, { row }] of table.rows) {
    unindex(table, kind, row)
    table.rows.delete(id)
    return
  }
}

function unindex(table: Table, kind: Kind, row: { id: string }): void {
  for (const key of indexKeys(kind, row)) {
    const ids = table.index.get(key)
    ids?.delete(row.id)
    if (ids?.size === 0) table.index.delete(key)
  }
}

function indexKeys(kind: Kind, row: object): string[] {
  const members: string[] = INDEXES[kind] ?? []
  return members.flatMap((member) => {
    const value = (row as Record<string, unknown>)[member]
    return typeof value === 'string' ? [`${member}=${value}`] : []
  })
}

function newestFirst(table: Table, where?: { member: string; value: string }): object[] {
  if (where === undefined) return [...table.rows.values()].map(({ row }) => row).reverse()
  const ids = table.index.get(`${where.member}=${where.value}`) ?? []
  return [...ids]
    .map((id) => table.rows.get(id))
    .filter((entry) => entry !== undefined)
    .sort((a, b) => b.seq - a.seq)
    .map(({ row }) => row)
}

function* allRows(tables: Map<Kind, Table>): Iterable<Row> {
  for (const [kind, table] of tables) {
    for (const { row } of table.rows.values()) yield [kind, row] as unknown as Row
  }
}
