import type { Fields, FieldsOf } from './parameters.ts'
import type { Reader, Transaction } from './store.ts'

/** One request as an operation sees it: checked, authenticated, with the clock and the state handed in. */
export interface Call<P = unknown> {
  params: P
  /** What stands in the path, `id` above all. */
  path: Record<string, string>
  caller: 'secret' | 'publishable'
  tx: Transaction
  now: Date
  /** Records an event; it is sent after the answer. */
  emit(type: string, object: object, previous_attributes?: object): void
}

export interface Answer {
  status: number
  body: object
}

export interface Operation {
  /** As stripe-node names the method: `payment_intents.create`. */
  name: string
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  /** `client`: a publishable key will do, as Stripe.js uses it. */
  access: 'secret' | 'client'
  fields: Fields
  run(call: Call): Answer
}

interface Definition<P> {
  name: string
  method: Operation['method']
  path: string
  access?: Operation['access']
  fields: FieldsOf<P>
  /** Returns the object to answer with. */
  run: (call: Call<P>) => object
}

/** `P` is stripe-node's own type of the parameters, so that a table which forgets or invents one does not compile. */
export function operation<P>(definition: Definition<P>): Operation {
  const { run, ...rest } = definition
  return {
    access: 'secret',
    ...rest,
    // The table has just checked that the parameters are a P.
    run: (call) => ({ status: 200, body: run(call as Call<P>) }),
  }
}

/** For an operation that can end in a decline: it answers 402, and what it did stays done. */
export function operationThatMayDecline<P>(
  definition: Omit<Definition<P>, 'run'> & { run: (call: Call<P>) => Answer },
): Operation {
  return { access: 'secret', ...definition, run: (call) => definition.run(call as Call<P>) }
}

export const ok = (body: object): Answer => ({ status: 200, body })
export const unixSeconds = (now: Date): number => Math.floor(now.getTime() / 1000)
export type Reads = Pick<Reader, 'get'>

/** The old values of what changed, as `previous_attributes` of an event. */
export function changedFrom(before: object, after: object): Record<string, unknown> {
  const now = after as Record<string, unknown>
  return Object.fromEntries(Object.entries(before).filter(([name, value]) => now[name] !== value))
}
