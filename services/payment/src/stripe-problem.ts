import { Unavailable } from '@holdfast/contracts/errors'
import { z } from 'zod'
import type { SeenIntent } from './payment.ts'

/** Everything that can go wrong with a call to Stripe, in our words. */
export const Problem = z.object({
  kind: z.enum([
    /** The issuer refused the card. */
    'declined',
    /** The intent is in another state than the call needs; the intent comes with it. */
    'unexpected_state',
    'not_found',
    /** Refused for good: the same call would be refused again. */
    'refused',
    /** Not known to have happened or not: the same key has to be repeated. */
    'unknown',
  ]),
  code: z.string().nullable(),
  /** The parameter that Stripe complains about. */
  param: z.string().nullable(),
  message: z.string(),
})
export type Problem = z.infer<typeof Problem>

export class StripeProblem extends Error {
  readonly problem: Problem
  /** Private, so that no log shows its client secret. */
  readonly #intent: SeenIntent | undefined
  /** Stripe would answer the same failure to this key for ever. */
  readonly keyIsSpent: boolean
  /** Our API key may do other things, but not this: to be mended by whoever runs us. */
  readonly isForbidden: boolean

  constructor(
    problem: Problem,
    more: { cause?: unknown; intent?: SeenIntent | undefined; keyIsSpent?: boolean; isForbidden?: boolean } = {},
  ) {
    super(problem.message, { cause: more.cause })
    this.name = 'StripeProblem'
    this.problem = problem
    this.#intent = more.intent
    this.keyIsSpent = more.keyIsSpent ?? false
    this.isForbidden = more.isForbidden ?? false
  }

  /** The intent as the failed call left it, where Stripe showed it. */
  get intent(): SeenIntent | undefined {
    return this.#intent
  }
}

export const isUnknown = (error: unknown): error is StripeProblem =>
  error instanceof StripeProblem && error.problem.kind === 'unknown'

export const isForbidden = (error: unknown): boolean => error instanceof StripeProblem && error.isForbidden

export const isNotFound = (error: unknown): boolean =>
  error instanceof StripeProblem && error.problem.kind === 'not_found'

/** The customer that we had made is there no more: somebody has deleted it in the dashboard. */
export const isCustomerGone = ({ kind, param }: Problem): boolean => kind === 'not_found' && param === 'customer'

/** For whoever cannot go on without an answer. */
export async function orUnavailable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (isUnknown(error)) throw new Unavailable(error.message, { cause: error })
    throw error
  }
}
