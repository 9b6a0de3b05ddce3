import type { Stripe } from 'stripe'
import { errors } from './errors.ts'
import { newId } from './ids.ts'
import { page } from './lists.ts'
import { fromParam, fromPath } from './lookup.ts'
import { formatMoney } from './money.ts'
import { type Call, operation, unixSeconds } from './operation.ts'
import { expand, mergeMetadata, metadata, oneOf, paging, range, string, unsupported } from './parameters.ts'

export const refundOperations = [
  operation<Stripe.RefundCreateParams>({
    name: 'refunds.create',
    method: 'POST',
    path: '/v1/refunds',
    fields: {
      amount: { type: 'integer', min: 1 },
      charge: string,
      currency: unsupported,
      customer: unsupported,
      expand,
      instructions_email: unsupported,
      metadata,
      origin: unsupported,
      payment_intent: string,
      reason: oneOf('duplicate', 'fraudulent', 'requested_by_customer'),
      refund_application_fee: unsupported,
      reverse_transfer: unsupported,
    },
    run: (call) => refundCharge(call, chargeToRefund(call)),
  }),
  operation<Stripe.RefundRetrieveParams>({
    name: 'refunds.retrieve',
    method: 'GET',
    path: '/v1/refunds/:id',
    fields: { expand },
    run: ({ tx, path }) => fromPath(tx, 'refund', path.id),
  }),
  operation<Stripe.RefundUpdateParams>({
    name: 'refunds.update',
    method: 'POST',
    path: '/v1/refunds/:id',
    fields: { expand, metadata },
    run: (call) => {
      const before = fromPath(call.tx, 'refund', call.path.id)
      const after = { ...before, metadata: mergeMetadata(before.metadata, call.params.metadata) }
      call.tx.put('refund', after)
      call.emit('refund.updated', after, { metadata: before.metadata })
      return after
    },
  }),
  operation<Stripe.RefundListParams>({
    name: 'refunds.list',
    method: 'GET',
    path: '/v1/refunds',
    fields: { ...paging, charge: string, created: range, expand, payment_intent: string },
    run: ({ tx, params }) => {
      const { charge, payment_intent } = params
      const of = charge
        ? { member: 'charge', value: charge }
        : payment_intent
          ? { member: 'payment_intent', value: payment_intent }
          : undefined
      const matches = (refund: Stripe.Refund) => !payment_intent || refund.payment_intent === payment_intent
      return page('/v1/refunds', tx.newestFirst('refund', of), params, matches)
    },
  }),
]

function chargeToRefund(call: Call<Stripe.RefundCreateParams>): Stripe.Charge {
  const { charge: chargeId, payment_intent: intentId } = call.params
  if (chargeId === undefined && intentId === undefined) throw errors.oneOfMissing(['payment_intent', 'charge'])
  const charge = chargeId === undefined ? undefined : fromParam(call.tx, 'charge', chargeId, 'charge')
  const intent = intentId === undefined ? undefined : fromParam(call.tx, 'payment_intent', intentId, 'payment_intent')
  if (charge && intent && charge.payment_intent !== intent.id) {
    throw errors.refused(`Charge ${charge.id} does not belong to PaymentIntent ${intent.id}.`, { param: 'charge' })
  }
  const found = charge ?? call.tx.get('charge', (intent?.latest_charge as string | null) ?? '')
  // A canceled authorization counts as refunded in full, but no money ever moved.
  if (found === undefined || found.status !== 'succeeded' || !found.captured) {
    throw errors.refused(
      `This PaymentIntent (${intent?.id ?? found?.payment_intent}) does not have a successful charge to refund.`,
      { param: intentId === undefined ? 'charge' : 'payment_intent' },
    )
  }
  return found
}

function refundCharge(call: Call<Stripe.RefundCreateParams>, charge: Stripe.Charge): Stripe.Refund {
  const left = charge.amount_captured - charge.amount_refunded
  if (left === 0) {
    throw errors.refused(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' })
  }
  const amount = call.params.amount ?? left
  if (amount > left) {
    const which = charge.amount_refunded === 0 ? 'charge amount' : 'unrefunded amount on charge'
    const [asked, most] = [amount, left].map((money) => formatMoney(money, charge.currency))
    throw errors.refused(`Refund amount (${asked}) is greater than ${which} (${most})`, { param: 'amount' })
  }
  const amount_refunded = charge.amount_refunded + amount
  const refunded: Stripe.Charge = { ...charge, amount_refunded, refunded: amount_refunded === charge.amount_captured }
  const refund = newRefund(call, charge, amount)
  call.tx.put('refund', refund)
  call.tx.put('charge', refunded)
  call.emit('refund.created', refund)
  call.emit('charge.refunded', refunded, {
    amount_refunded: charge.amount_refunded,
    ...(refunded.refunded !== charge.refunded && { refunded: charge.refunded }),
  })
  return refund
}

function newRefund(call: Call<Stripe.RefundCreateParams>, charge: Stripe.Charge, amount: number): Stripe.Refund {
  const id = newId('refund')
  return {
    id,
    object: 'refund',
    amount,
    balance_transaction: `txn_${id.slice('re_'.length)}`,
    charge: charge.id,
    created: unixSeconds(call.now),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'refund' },
      type: 'card',
    },
    metadata: mergeMetadata({}, call.params.metadata),
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason: call.params.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: 'succeeded',
    transfer_reversal: null,
  }
}
