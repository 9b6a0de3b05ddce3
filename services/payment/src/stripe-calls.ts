import { Unavailable } from '@holdfast/contracts/errors'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import type { Messaging } from '@holdfast/messaging/messaging'
import type { Transaction } from '@holdfast/messaging/transaction'
import type { Logger } from '@holdfast/runtime/logger'
import { reached } from '@holdfast/runtime/moments'
import { type Problem, StripeProblem } from './stripe-problem.ts'
import { confirmKey, keyOf, type OperationName, Work, type WorkOf } from './work.ts'

/**
 * The ledger of calls to Stripe. A call is written down and committed, then made outside any transaction, and its outcome is
 * recorded in one transaction with its effect. Whoever dies in between leaves a pending row, and repeating it with the same
 * key tells what became of it. A clear refusal is an outcome; silence is not.
 */

/** A transaction that can also order work of Stripe: it is done if, and only if, the transaction commits. */
export interface Tx extends Transaction {
  /** Done by the reconciler, at once or in a while. Says what has become of it if it was ordered before. */
  order(work: Work, options?: { again?: boolean; inSeconds?: number }): Promise<Call['state']>
}

interface Operation<W extends Work, Result> {
  /** Repeated with the same key it must have its effect once. */
  readonly call: (work: W, idempotencyKey: string) => Promise<Result>
  readonly done: (tx: Tx, work: W, result: Result) => Promise<void>
  /** `retry`: it has to be done all the same, so try anew later. By default a refusal is the end of it. */
  readonly refused?: (tx: Tx, work: W, problem: StripeProblem) => Promise<'failed' | 'retry'>
}

// biome-ignore lint/suspicious/noExplicitAny: each operation's result goes from its own call to its own effect
export type Operations = { readonly [Name in OperationName]: Operation<WorkOf<Name>, any> }

export interface Call {
  readonly key: string
  readonly generation: number
  readonly work: Work
  readonly state: 'pending' | 'done' | 'failed'
  readonly problem: Problem | null
}

/** What became of a call. `result` is what Stripe answered, if it was asked just now. */
export type Outcome =
  | { readonly ok: true; readonly result?: unknown }
  | { readonly ok: false; readonly problem: Problem }

export interface StripeCalls {
  /** Commits what `work` writes, says and orders. */
  transact<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** Makes a pending call, or returns what became of it. Throws `Unavailable` while that is not known. */
  perform(call: Call): Promise<Outcome>
  /** Writes a call down and makes it. */
  settle(work: Work, options?: { again?: boolean }): Promise<Outcome>
}

/** A call that was written down is left to whoever makes it for this long before others take it up. */
const holdSeconds = 5
/** Doubled with each try up to the longest: a Stripe that is back is noticed within ten seconds, the breaker's wait included. */
const soonSeconds = 0.5
const longestWaitSeconds = 3
const refusedAgainSeconds = 600
/** What our API key may not do is tried again this rarely, if nobody asks for it. */
const forbiddenAgainSeconds = 60

const columns = 'key, generation, work, state, problem'

/** Finished work is begun anew in the key's next generation if it is to be done `again`, or if it is other work. */
const write = statement<Call>(
  'stripe-call.write',
  `insert into stripe_call as c (key, operation, work, reservation_id, state, retry_at)
   values ($1, $2, $3, $4, 'pending', now() + make_interval(secs => $5))
   on conflict (key) do update set
     generation = case when c.state <> 'pending' and ($6 or c.work <> excluded.work) then c.generation + 1 else c.generation end,
     state = case when $6 or c.work <> excluded.work then 'pending' else c.state end,
     problem = case when $6 or c.work <> excluded.work then null else c.problem end,
     work = case when c.state = 'pending' then c.work else excluded.work end,
     retry_at = case when c.state = 'pending' then c.retry_at else excluded.retry_at end,
     tries = case when c.state = 'pending' then c.tries else 0 end, updated_at = now()
   returning ${columns}`,
)
const finish = statement(
  'stripe-call.finish',
  `update stripe_call set state = $3, problem = $4, tries = tries + 1, updated_at = now()
   where key = $1 and generation = $2 and state = 'pending'`,
)
const postpone = statement(
  'stripe-call.postpone',
  `update stripe_call set tries = tries + 1, generation = generation + $3, problem = $4, updated_at = now(),
     retry_at = now() + make_interval(secs => coalesce($5, least(${longestWaitSeconds}, ${soonSeconds} * power(2, least(tries, 10)))))
   where key = $1 and generation = $2 and state = 'pending'`,
)
const pendingOf = statement<Call>(
  'stripe-call.pending-of',
  `select ${columns} from stripe_call
   where reservation_id = $1 and state = 'pending' and operation like 'payment\\_intents.%'`,
)

const find = statement<Call>('stripe-call.find', `select ${columns} from stripe_call where key = $1`)

export const wasOrdered = async (tx: Queries, work: Work): Promise<boolean> =>
  (await tx.maybeOne(find, [keyOf(work)])) !== undefined

/** What was written down to charge a saved card for an attempt, whatever has become of it. */
export async function confirmOf(tx: Queries, reservationId: string, attempt: number) {
  const call = await tx.maybeOne(find, [confirmKey(reservationId, attempt)])
  const work = call && asCall(call).work
  return work?.operation === 'payment_intents.confirm' ? work : undefined
}

/** Writes a call down. Others take it up `inSeconds`. */
export async function writeCall(tx: Queries, work: Work, options: { again?: boolean; inSeconds?: number } = {}) {
  const reservationId = 'reservationId' in work ? work.reservationId : null
  const { again = false, inSeconds = holdSeconds } = options
  const values = [keyOf(work), work.operation, JSON.stringify(work), reservationId, inSeconds, again]
  return asCall(await tx.one(write, values))
}

/** The call on an intent of this reservation whose outcome is not known; there is one at most. */
export async function pendingCallOf(tx: Queries, reservationId: string): Promise<Call | undefined> {
  const call = await tx.maybeOne(pendingOf, [reservationId])
  return call && asCall(call)
}

/** The end of a call whose outcome no longer matters, because another settles the same question. */
export async function abandonCall(tx: Queries, call: Call): Promise<void> {
  const problem: Problem = { kind: 'refused', code: 'abandoned', param: null, message: 'the payment is being closed' }
  await tx.run(finish, [call.key, call.generation, 'failed', JSON.stringify(problem)])
}

export const asCall = (row: Call): Call => ({ ...row, work: Work.parse(row.work) })

export function createStripeCalls(parts: {
  database: Database
  messaging: Messaging
  logger: Logger
  operations: Operations
  /** Something was ordered: do it now. */
  nudge: () => void
}): StripeCalls {
  async function transact<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let ordered = false
    const result = await parts.messaging.transact((tx) => {
      ordered = false
      return work({
        ...tx,
        order: async (work, options) => {
          ordered = true
          return (await writeCall(tx, work, { inSeconds: 0, ...options })).state
        },
      })
    })
    if (ordered) parts.nudge()
    return result
  }

  async function perform(call: Call): Promise<Outcome> {
    if (call.state !== 'pending') return outcomeOf(call.problem)
    // Its name and its work belong together, which the type of a table cannot say.
    const operation = parts.operations[call.work.operation] as Operation<Work, unknown>
    try {
      reached('before-stripe-call')
      const result = await operation.call(call.work, stripeKeyOf(call))
      reached('after-stripe-call')
      await transact(async (tx) => {
        await operation.done(tx, call.work, result)
        await tx.run(finish, [call.key, call.generation, 'done', null])
      })
      return { ok: true, result }
    } catch (error) {
      if (!(error instanceof StripeProblem)) throw error
      return error.problem.kind === 'unknown' ? later(call, error) : refuse(call, operation, error)
    }
  }

  async function later(call: Call, error: StripeProblem): Promise<never> {
    const spent = error.keyIsSpent ? 1 : 0
    const wait = error.isForbidden ? forbiddenAgainSeconds : null
    await parts.database.run(postpone, [call.key, call.generation, spent, JSON.stringify(error.problem), wait])
    if (error.isForbidden)
      parts.logger.error({ key: call.key, problem: error.problem }, 'Stripe does not allow our API key to do this')
    throw new Unavailable(error.message, { cause: error })
  }

  async function refuse(call: Call, operation: Operation<Work, unknown>, error: StripeProblem): Promise<Outcome> {
    const problem = JSON.stringify(error.problem)
    await transact(async (tx) => {
      const fate = (await operation.refused?.(tx, call.work, error)) ?? 'failed'
      if (fate === 'failed') await tx.run(finish, [call.key, call.generation, 'failed', problem])
      else await tx.run(postpone, [call.key, call.generation, 1, problem, refusedAgainSeconds])
      if (fate === 'retry')
        parts.logger.error({ key: call.key, problem: error.problem }, 'Stripe refuses what must be done')
    })
    return { ok: false, problem: error.problem }
  }

  return {
    transact,
    perform,
    settle: async (work, options) => perform(await writeCall(parts.database, work, options)),
  }
}

/** Stripe's idempotency key: a key whose answer is of no more use goes on under another name. */
function stripeKeyOf({ key, generation }: Call): string {
  return generation === 0 ? key : `${key}:r${generation}`
}

const outcomeOf = (problem: Problem | null): Outcome => (problem ? { ok: false, problem } : { ok: true })
