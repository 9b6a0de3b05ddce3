import { Unavailable } from '@holdfast/contracts/errors'
import { createPgDriverFactory } from '@slonik/pg-driver'
import {
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  ConnectionError,
  createPool,
  createTypeParserPreset,
  type DatabasePool,
  type Interceptor,
  SchemaValidationError,
  StatementTimeoutError,
} from 'slonik'
import { translate } from './database.ts'

/** The door for lists, catalogues and administration: typed rows, cardinality in each call, validated by zod. */
export type Reads = DatabasePool

/** Slonik leaves checking a row against its zod schema to an interceptor. */
const validateRows: Interceptor = {
  name: 'validate-rows',
  transformRowAsync: async (context, query, row) => {
    const schema = context.resultParser
    if (!schema) return row
    const result = await schema['~standard'].validate(row)
    if (result.issues) throw new SchemaValidationError(query, row, result.issues)
    return result.value as typeof row
  },
}

const dates = ['timestamptz', 'timestamp'].map((name) => ({ name, parse: (value: string) => new Date(value) }))

export async function openReads(url: string, poolSize: number): Promise<Reads> {
  return createPool(url, {
    driverFactory: createPgDriverFactory(),
    maximumPoolSize: poolSize,
    connectionTimeout: 2_000,
    statementTimeout: 4_000,
    idleInTransactionSessionTimeout: 10_000,
    interceptors: [validateRows],
    typeParsers: [
      ...createTypeParserPreset().filter((parser) => !['timestamptz', 'timestamp', 'int8'].includes(parser.name)),
      ...dates,
      { name: 'int8', parse: Number },
    ],
  })
}

const awayErrors = [ConnectionError, StatementTimeoutError, BackendTerminatedError, BackendTerminatedUnexpectedlyError]

/** Slonik's words for a database that is away, in ours. */
export async function orUnavailable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (awayErrors.some((away) => error instanceof away))
      throw new Unavailable('the database is away', { cause: error })
    // What slonik passes through as the driver threw it.
    throw translate(error)
  }
}
