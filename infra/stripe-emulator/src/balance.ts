import type { Stripe } from 'stripe'
import { feeOf } from './money.ts'
import { operation } from './operation.ts'
import { expand } from './parameters.ts'
import type { Reader } from './store.ts'

/** The balance is what was paid less fees and refunds; in this stand-in everything is available at once. */
export const balanceOperations = [
  operation<Stripe.BalanceRetrieveParams>({
    name: 'balance.retrieve',
    method: 'GET',
    path: '/v1/balance',
    fields: { expand },
    run: ({ tx }) => {
      const net = new Map<string, number>()
      for (const charge of tx.newestFirst('charge')) {
        if (charge.balance_transaction === null) continue
        const amount = charge.amount_captured - charge.amount_refunded - feeOf(charge.amount_captured)
        net.set(charge.currency, (net.get(charge.currency) ?? 0) + amount)
      }
      if (net.size === 0) net.set('usd', 0)
      const available = [...net].map(([currency, amount]) => ({ amount, currency, source_types: { card: amount } }))
      const pending = [...net.keys()].map((currency) => ({ amount: 0, currency, source_types: { card: 0 } }))
      return { object: 'balance', available, livemode: false, pending } satisfies Stripe.Balance
    },
  }),
]

/** Derived, not stored: `txn_` ids share their tail with the charge or refund they stand for. */
export function balanceTransactionOf(from: Reader, id: string): Stripe.BalanceTransaction | undefined {
  const tail = id.slice('txn_'.length)
  const charge = from.get('charge', `ch_${tail}`)
  if (charge) return balanceTransaction(id, charge, charge.amount_captured, feeOf(charge.amount_captured), 'charge')
  const refund = from.get('refund', `re_${tail}`)
  if (refund) return balanceTransaction(id, refund, -refund.amount, 0, 'refund')
  return undefined
}

function balanceTransaction(
  id: string,
  source: { id: string; created: number; currency: string; description?: string | null },
  amount: number,
  fee: number,
  type: 'charge' | 'refund',
): Stripe.BalanceTransaction {
  return {
    id,
    object: 'balance_transaction',
    amount,
    available_on: source.created,
    balance_type: 'payments',
    created: source.created,
    currency: source.currency,
    description: source.description ?? null,
    exchange_rate: null,
    fee,
    fee_details:
      fee === 0
        ? []
        : [
            {
              amount: fee,
              application: null,
              currency: source.currency,
              description: 'Stripe processing fees',
              type: 'stripe_fee',
            },
          ],
    net: amount - fee,
    reporting_category: type,
    source: source.id,
    status: 'available',
    type,
  }
}
