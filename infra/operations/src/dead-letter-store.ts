import { setTimeout as sleep } from 'node:timers/promises'
import { mostDeliveries } from '@holdfast/messaging/topology'
import { Failed } from './command.ts'
import type { DatabaseName, Databases } from './databases.ts'

/** Dead letters: rows of `failed_message` without a time for another try. */

export interface DeadLetter {
  readonly service: DatabaseName
  readonly id: string
  readonly type: string
  readonly reservationId: string | null
  readonly envelope: unknown
  readonly reason: string
  readonly tries: number
  readonly deliveries: number
  readonly firstAt: Date
  readonly lastAt: Date
  readonly ageSeconds: number
  /** Said again and handled since: its id is in the inbox. */
  readonly handled: boolean
  /** Delivered until nobody wanted it any more: each time, its service may have died of it. */
  readonly killed: boolean
}

/** What came of another try. */
export type Fate =
  | { readonly outcome: 'done' | 'waiting' }
  | { readonly outcome: 'dead' | 'deferred'; readonly reason: string }

const columns = `
  f.id, f.type, f.envelope->>'correlationid' as "reservationId", f.envelope, f.reason, f.tries, f.deliveries,
  f.first_at as "firstAt", f.last_at as "lastAt", extract(epoch from clock_timestamp() - f.first_at)::float8 as "ageSeconds",
  exists (select from inbox i where i.id = f.id) as handled, f.deliveries > ${mostDeliveries} as killed`
const listSql = `select ${columns} from failed_message f where retry_at is null order by last_at desc limit 10000`
const findSql = `select ${columns} from failed_message f where retry_at is null and id = $1`
const replaySql =
  'update failed_message set retry_at = now(), deliveries = 1 where id = $1 and retry_at is null returning id'
const discardSql = 'delete from failed_message where id = $1 and retry_at is null returning id'
const fateSql = 'select retry_at as "retryAt", last_at as "lastAt", reason from failed_message where id = $1'

interface FateRow {
  readonly retryAt: Date | null
  readonly lastAt: Date
  readonly reason: string
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Services look every quarter of a second. */
const patienceMs = 10_000

export function deadLetters(databases: Databases, services: readonly DatabaseName[]) {
  const read = async (sql: string, values: readonly unknown[] = []): Promise<DeadLetter[]> => {
    const found = services.map(async (service) =>
      (await databases.rows<Omit<DeadLetter, 'service'>>(service, sql, values)).map((row) => ({ service, ...row })),
    )
    return (await Promise.all(found)).flat()
  }

  return {
    list: async () => (await read(listSql)).toSorted((a, b) => b.lastAt.getTime() - a.lastAt.getTime()),

    async find(id: string): Promise<DeadLetter> {
      const found = uuid.test(id) ? await read(findSql, [id]) : []
      const [letter, ...others] = found
      if (!letter) throw new Failed(`There is no dead letter ${id.slice(0, 60)} in ${services.join(', ')}.`)
      if (others.length > 0)
        throw new Failed(`Several services have ${id}: say which with --service (${found.map((f) => f.service)}).`)
      return letter
    },

    discard: async ({ service, id }: DeadLetter) => (await databases.rows(service, discardSql, [id])).length > 0,

    /** Its own service tries it, as it would have by itself. One more failure, and it is a dead letter again. */
    async replay({ service, id, lastAt }: DeadLetter): Promise<Fate> {
      const replayed = await databases.rows(service, replaySql, [id])
      if (replayed.length === 0) throw new Failed(`${id} is no dead letter any more.`)
      const deadline = Date.now() + patienceMs
      while (Date.now() < deadline) {
        await sleep(100)
        const [row] = await databases.rows<FateRow>(service, fateSql, [id])
        if (!row) return { outcome: 'done' }
        if (!row.retryAt) return { outcome: 'dead', reason: row.reason }
        if (row.lastAt > lastAt) return { outcome: 'deferred', reason: row.reason }
      }
      return { outcome: 'waiting' }
    },
  }
}
