import type { Stripe } from 'stripe'
import { page } from './lists.ts'
import { fromPath } from './lookup.ts'
import { changedFrom, operation } from './operation.ts'
import { any, expand, mergeMetadata, metadata, paging, range, string, text, unsupported } from './parameters.ts'

export const chargeOperations = [
  operation<Stripe.ChargeRetrieveParams>({
    name: 'charges.retrieve',
    method: 'GET',
    path: '/v1/charges/:id',
    fields: { expand },
    run: ({ tx, path }) => fromPath(tx, 'charge', path.id),
  }),
  operation<Stripe.ChargeListParams>({
    name: 'charges.list',
    method: 'GET',
    path: '/v1/charges',
    fields: { ...paging, created: range, customer: string, expand, payment_intent: string, transfer_group: string },
    run: ({ tx, params }) => {
      const { payment_intent, customer } = params
      const of = payment_intent
        ? { member: 'payment_intent', value: payment_intent }
        : customer
          ? { member: 'customer', value: customer }
          : undefined
      return page('/v1/charges', tx.newestFirst('charge', of), params, (charge) => {
        return (
          (customer === undefined || charge.customer === customer) &&
          (params.transfer_group === undefined || charge.transfer_group === params.transfer_group)
        )
      })
    },
  }),
  operation<Stripe.ChargeUpdateParams>({
    name: 'charges.update',
    method: 'POST',
    path: '/v1/charges/:id',
    fields: {
      customer: unsupported,
      description: text(1000),
      expand,
      fraud_details: any,
      metadata,
      receipt_email: string,
      shipping: any,
      transfer_group: string,
    },
    run: (call) => {
      const before = fromPath(call.tx, 'charge', call.path.id)
      const after: Stripe.Charge = {
        ...before,
        description: call.params.description ?? before.description,
        metadata: mergeMetadata(before.metadata, call.params.metadata),
        receipt_email: call.params.receipt_email ?? before.receipt_email,
        transfer_group: call.params.transfer_group ?? before.transfer_group,
      }
      call.tx.put('charge', after)
      call.emit('charge.updated', after, changedFrom(before, after))
      return after
    },
  }),
]
