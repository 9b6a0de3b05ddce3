import type { Message, ServiceName } from '@holdfast/contracts/message'
import type { Database, Queries } from '@holdfast/db/database'
import { reached } from '@holdfast/runtime/moments'
import { type OutboxRow, outboxRow, type Relay, writeOutbox } from './outbox.ts'

/** A database transaction that can speak: what it says is told if, and only if, it commits. */
export interface Transaction extends Queries {
  say(...messages: Message[]): void
}

export type Transact = <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>

/** `finish` runs at the end of the transaction with what was said; by default it writes the outbox. */
export type Finish = (tx: Queries, said: readonly OutboxRow[]) => Promise<void>

export function transactor(source: ServiceName, database: Database, relay: Relay) {
  return async function transact<T>(work: (tx: Transaction) => Promise<T>, finish: Finish = writeOutbox): Promise<T> {
    const { result, said } = await database.transaction(async (queries) => {
      const rows: OutboxRow[] = []
      const tx: Transaction = {
        ...queries,
        say: (...messages) => rows.push(...messages.map((message) => outboxRow(message, source))),
      }
      const result = await work(tx)
      await finish(queries, rows)
      reached('before-commit')
      return { result, said: rows }
    })
    reached('after-commit')
    relay.push(said)
    return result
  }
}
