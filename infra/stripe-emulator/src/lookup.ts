import { errors } from './errors.ts'
import type { Kind, Tables } from './rows.ts'
import type { Reader } from './store.ts'

/** How Stripe calls each kind when it is not there, and the parameter it blames when the id stood in the path. */
const NAMES = {
  customer: { what: 'customer', param: 'id' },
  payment_method: { what: 'PaymentMethod', param: 'payment_method' },
  payment_intent: { what: 'payment_intent', param: 'intent' },
  setup_intent: { what: 'setupintent', param: 'intent' },
  charge: { what: 'charge', param: 'id' },
  refund: { what: 'refund', param: 'id' },
  event: { what: 'event', param: 'id' },
} as const satisfies { [K in Kind]?: { what: string; param: string } }
type Named = keyof typeof NAMES

/** The object a path names: 404 when it is not there. */
export function fromPath<K extends Named>(from: Reader, kind: K, id: string | undefined): Tables[K] {
  const { what, param } = NAMES[kind]
  const found = from.get(kind, id ?? '')
  if (found === undefined) throw errors.noSuch(what, id ?? '', param, 404)
  return found
}

/** The object a parameter names: 400 when it is not there. */
export function fromParam<K extends Named>(from: Reader, kind: K, id: string, param: string): Tables[K] {
  const found = from.get(kind, id)
  if (found === undefined) throw errors.noSuch(NAMES[kind].what, id, param, 400)
  return found
}

/** A customer that may still be used. */
export function liveCustomer(from: Reader, id: string, param = 'customer') {
  const customer = fromParam(from, 'customer', id, param)
  if (customer.deleted) throw errors.noSuch('customer', id, param, 400)
  return customer
}
