import type { Stripe } from 'stripe'
import { page } from './lists.ts'
import { fromPath } from './lookup.ts'
import { operation } from './operation.ts'
import { array, boolean, expand, paging, range, string } from './parameters.ts'
import type { EventRow } from './rows.ts'
import type { Reader } from './store.ts'

/** The version whose shapes this emulator speaks: the one stripe-node 23.1.0 pins. */
export const API_VERSION = '2026-10-28.endive'

export const eventOperations = [
  operation<Stripe.EventRetrieveParams>({
    name: 'events.retrieve',
    method: 'GET',
    path: '/v1/events/:id',
    fields: { expand },
    run: ({ tx, path }) => eventObject(fromPath(tx, 'event', path.id), tx),
  }),
  operation<Stripe.EventListParams>({
    name: 'events.list',
    method: 'GET',
    path: '/v1/events',
    fields: { ...paging, created: range, delivery_success: boolean, expand, type: string, types: array(string) },
    run: ({ tx, params }) => {
      const list = page('/v1/events', tx.newestFirst('event'), params, (event) => {
        const delivered = tx.get('delivery', event.id)?.pending === false
        return (
          matchesType(event, params.type, params.types) &&
          (params.delivery_success === undefined || params.delivery_success === delivered)
        )
      })
      return { ...list, data: list.data.map((event) => eventObject(event, tx)) }
    },
  }),
]

/** The envelope, as it is answered and as it is delivered. */
export function eventObject(event: EventRow, from: Reader) {
  return {
    id: event.id,
    object: 'event' as const,
    api_version: API_VERSION,
    created: event.created,
    data: event.data,
    livemode: false,
    pending_webhooks: from.get('delivery', event.id)?.pending ? 1 : 0,
    request: event.request,
    type: event.type,
  }
}

/** `type` may end in a wildcard: `charge.*`. */
function matchesType(event: EventRow, type: string | undefined, types: string[] | undefined): boolean {
  const wanted = types ?? (type === undefined ? [] : [type])
  if (wanted.length === 0) return true
  return wanted.some((name) => (name.endsWith('*') ? event.type.startsWith(name.slice(0, -1)) : event.type === name))
}
