import type { Stripe } from 'stripe'
import { errors } from './errors.ts'
import { formatMoney } from './money.ts'
import type { Call } from './operation.ts'
import { mergeMetadata } from './parameters.ts'
import { checkStep } from './payment-intent.ts'

/** Takes all or part of an authorized amount; the rest is given free. */
export function captureIntent(
  call: Call<Stripe.PaymentIntentCaptureParams>,
  intent: Stripe.PaymentIntent,
): Stripe.PaymentIntent {
  checkStep(intent, 'capture')
  const charge = call.tx.get('charge', intent.latest_charge as string)
  if (charge === undefined) throw new Error(`${intent.id} requires capture and has no charge`)
  const amount = call.params.amount_to_capture ?? intent.amount_capturable
  if (amount > intent.amount_capturable) {
    const [asked, most] = [amount, intent.amount_capturable].map((money) => formatMoney(money, intent.currency))
    throw errors.refused(
      `The amount to capture (${asked}) is greater than the amount that can be captured (${most}).`,
      {
        code: 'amount_too_large',
        param: 'amount_to_capture',
      },
    )
  }
  const captured: Stripe.Charge = {
    ...charge,
    captured: true,
    amount_captured: amount,
    balance_transaction: `txn_${charge.id.slice('ch_'.length)}`,
  }
  const paid: Stripe.PaymentIntent = {
    ...intent,
    status: 'succeeded',
    amount_capturable: 0,
    amount_received: amount,
    metadata: mergeMetadata(intent.metadata, call.params.metadata),
  }
  call.tx.put('charge', captured)
  call.tx.put('payment_intent', paid)
  call.emit('charge.captured', captured)
  call.emit('payment_intent.succeeded', paid)
  return paid
}
