import { balanceTransactionOf } from './balance.ts'
import { errors } from './errors.ts'
import type { Reader } from './store.ts'

type Lookup = (from: Reader, id: string) => object | undefined
const kinds = {
  customer: (from, id) => from.get('customer', id),
  payment_method: (from, id) => from.get('payment_method', id),
  payment_intent: (from, id) => from.get('payment_intent', id),
  charge: (from, id) => from.get('charge', id),
  balance_transaction: (from, id) => balanceTransactionOf(from, id),
  /** Stripe can expand it, but no such object is ever here: it stays null. */
  none: () => undefined,
} satisfies Record<string, Lookup>

/** What may be expanded, per kind of object. */
const EXPANDABLE: Record<string, Record<string, keyof typeof kinds>> = {
  payment_intent: {
    customer: 'customer',
    latest_charge: 'charge',
    payment_method: 'payment_method',
    review: 'none',
    application: 'none',
    on_behalf_of: 'none',
  },
  setup_intent: {
    customer: 'customer',
    payment_method: 'payment_method',
    latest_attempt: 'none',
    mandate: 'none',
    on_behalf_of: 'none',
  },
  charge: {
    customer: 'customer',
    payment_intent: 'payment_intent',
    balance_transaction: 'balance_transaction',
    review: 'none',
    application: 'none',
    on_behalf_of: 'none',
  },
  refund: {
    charge: 'charge',
    payment_intent: 'payment_intent',
    payment_method: 'payment_method',
    customer: 'customer',
    balance_transaction: 'balance_transaction',
  },
  payment_method: { customer: 'customer' },
  customer: { default_source: 'none' },
}

/** Puts objects in the place of their ids along each path, in a copy. */
export function expandPaths(body: object, paths: string[], from: Reader): object {
  return paths.reduce((expanded, path) => {
    const steps = path.split('.')
    if (steps.length - (steps[0] === 'data' ? 1 : 0) > 4) throw errors.expandTooDeep(path)
    return expandStep(expanded as Record<string, unknown>, steps, path, from)
  }, body)
}

function expandStep(at: Record<string, unknown>, steps: string[], path: string, from: Reader): Record<string, unknown> {
  const [step, ...further] = steps
  if (step === undefined) return at
  if (at.object === 'list') {
    if (step !== 'data' || further.length === 0) throw errors.cannotExpand(path)
    const data = (at.data as Array<Record<string, unknown>>).map((item) => expandStep(item, further, path, from))
    return { ...at, data }
  }
  const found = step === 'refunds' && at.object === 'charge' ? refundsOf(at, from) : memberOf(at, step, path, from)
  if (typeof found !== 'object' || found === null) return { ...at, [step]: found }
  return { ...at, [step]: expandStep(found as Record<string, unknown>, further, path, from) }
}

function memberOf(at: Record<string, unknown>, step: string, path: string, from: Reader): unknown {
  const kind = EXPANDABLE[String(at.object)]?.[step]
  if (kind === undefined) throw errors.cannotExpand(path)
  const value = at[step] ?? null
  return typeof value === 'string' ? (kinds[kind](from, value) ?? value) : value
}

/** Since 2022-11-15 a charge carries its refunds only when asked to. */
function refundsOf(charge: Record<string, unknown>, from: Reader): object {
  const data = [...from.newestFirst('refund', { member: 'charge', value: String(charge.id) })]
  return {
    object: 'list',
    data: data.slice(0, 10),
    has_more: data.length > 10,
    url: `/v1/charges/${charge.id}/refunds`,
  }
}
