import pg from 'pg'
import { Unavailable } from '../../libs/contracts/src/errors.ts'
import type { Database, Queries, Statement } from '../../libs/db/src/database.ts'
import { forever, type Process } from './process.ts'
import type { Store } from './store.ts'
import type { World } from './world.ts'

/**
 * Postgres as a process sees it. The services' own code runs on it: each of their statements, known by its name, does to the
 * tables in memory what its SQL does (tables-*.ts). A statement that has no stand-in is an error.
 *
 * Transactions come one after another, which is stricter than READ COMMITTED: what depends on two statements of one
 * transaction seeing different rows is for the tests on a real Postgres.
 */

// biome-ignore lint/suspicious/noExplicitAny: the values of each statement are of other types
export type Values = readonly any[]
/** A statement's stand-in: the rows it returns, or one for each row that it touched. */
export type Statements = Record<string, (values: Values) => readonly object[]>

export interface Server {
  readonly name: string
  readonly store: Store
  readonly statements: Statements
}

export function openDatabase(world: World, process: Process, server: Server): Database {
  const { store, statements } = server

  function execute(name: string, values: Values): object[] {
    const standIn = statements[name]
    if (standIn) return [...standIn(values)]
    const missing = new Error(`the statement ${name} of ${server.name} has no stand-in in tests/simulation/tables-*.ts`)
    world.surprises.push(missing)
    throw missing
  }

  /** Begins, works, and commits; or dies, or loses the connection, before or after the commit. */
  async function transaction<T>(what: string, work: () => Promise<T> | T): Promise<T> {
    await process.pause()
    if (world.isAway(server.name)) throw new Unavailable('the database is not reachable')
    store.begin()
    let result: T
    try {
      result = await work()
    } catch (error) {
      store.rollback()
      throw error
    }
    if (process.dies(`before it commits ${what}`)) {
      store.rollback()
      return forever()
    }
    store.commit()
    if (process.dies(`after the commit of ${what}`)) return forever()
    if (world.fails('connection')) {
      world.tell(`${process.name} does not hear that ${what} was committed`)
      throw new Unavailable('the database is away')
    }
    return result
  }

  const inside = queriesOn(async (name, values) => execute(name, values))
  return {
    ...queriesOn((name, values) => transaction(name, () => execute(name, values))),
    transaction: (work) => transaction(`a transaction of ${process.name}`, () => work(inside)),
    close: async () => {},
  }
}

function queriesOn(rows: (name: string, values: Values) => Promise<object[]>): Queries {
  return {
    many: async <Row extends object>({ name }: Statement<Row>, values: Values = []) =>
      (await rows(name, values)) as Row[],
    one: async <Row extends object>({ name }: Statement<Row>, values: Values = []) => {
      const [row, ...others] = await rows(name, values)
      if (!row || others.length > 0) throw new Error(`${name} should have returned exactly one row`)
      return row as Row
    },
    maybeOne: async <Row extends object>({ name }: Statement<Row>, values: Values = []) => {
      const [row, ...others] = await rows(name, values)
      if (others.length > 0) throw new Error(`${name} should have returned at most one row`)
      return row as Row | undefined
    },
    run: async ({ name }, values = []) => (await rows(name, values)).length,
  }
}

/** What Postgres says when a row would break a rule. */
export function violation(constraint: string, code = '23505'): Error {
  const error = new pg.DatabaseError(`violates ${constraint}`, 0, 'error')
  return Object.assign(error, { code, constraint })
}

/** A statement that a service does not export, called by its name. */
export const named = <Row extends object = never>(name: string): Statement<Row> => ({ name, text: '' })
