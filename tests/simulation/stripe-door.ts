import type { StripeDoor } from '../../services/payment/src/stripe.ts'
import type { SeenRefund } from '../../services/payment/src/stripe-objects.ts'
import { type Problem, StripeProblem } from '../../services/payment/src/stripe-problem.ts'
import { forever, type Process } from './process.ts'
import { type Card, type PaymentIntent, type Refusal, type StripeRefund, seen } from './stripe.ts'
import { savedCards } from './tables-payment.ts'
import type { World } from './world.ts'

/**
 * The way to Stripe, as stripe.ts of the payment service offers it: calls fail before their effect or after it, answers get
 * lost, a key answers as it did the first time, and a failure of Stripe's own (500) is kept for its key.
 */

/** What a key answers with from then on: its first answer, however old. */
export type Kept = { readonly result: unknown } | { readonly refusal: Refusal } | { readonly spent: true }

export function openStripe(world: World, process: Process): StripeDoor {
  const { stripe } = world

  /** Time passes on the way there and back, and either way may be cut. */
  async function call<T>(what: string, effect: () => T): Promise<T> {
    await process.pause()
    if (process.dies(`before it calls Stripe: ${what}`)) return forever()
    if (world.isAway('stripe') || world.fails('stripe')) throw unknown('Stripe is not reachable')
    const result = effect()
    if (process.dies(`after Stripe's ${what}, before it records that`)) return forever()
    await process.pause()
    if (world.fails('stripe')) {
      world.tell(`${process.name} gets no answer to ${what}`)
      throw unknown('the answer got lost')
    }
    return result
  }

  /** What Stripe does once for a key; refusals are kept as well. */
  function once<T>(key: string, params: string, act: () => T | Refusal): T {
    const name = `${key} ${params}`
    const kept = world.stripeKeys.get(name) ?? keep(name, act)
    if ('spent' in kept) throw unknown('Stripe failed', true)
    if ('refusal' in kept) throw refused(kept.refusal)
    return kept.result as T
  }

  function keep(name: string, act: () => unknown): Kept {
    const spent = world.fails('spent')
    // A failure of Stripe's own may come before the effect or after it.
    const result = spent && world.random.chance(0.5) ? undefined : act()
    if (spent) {
      world.tell(`stripe fails at ${name}, ${result === undefined ? 'without' : 'with'} its effect`)
      if (isIntent(result) && name.includes('create')) result.isOrphan = true
    }
    const kept = spent ? { spent: true as const } : asItIs(result)
    world.stripeKeys.set(name, kept)
    return kept
  }

  const intentOf = (id: string): PaymentIntent | Refusal =>
    stripe.intents.get(id) ?? { problem: problem('not_found', 'resource_missing') }

  /** Acts on an intent that can still be paid; else Stripe refuses and shows it. */
  function onPayable(id: string, act: (intent: PaymentIntent) => PaymentIntent | Refusal) {
    const intent = intentOf(id)
    if (isRefusal(intent)) return intent
    if (!stripe.isPayable(intent)) return { problem: problem('unexpected_state', null), intent }
    return act(intent)
  }

  const door = {
    retrieveIntent: (id: string) =>
      call(`retrieve ${id}`, () => {
        const intent = intentOf(id)
        if (isRefusal(intent)) throw refused(intent)
        return seen(intent, true)
      }),
    createIntent: (params: CreateParams, key: string) =>
      call(`create ${key}`, () =>
        once(key, 'create', () => {
          const { reservationId, attempt } = params.metadata
          const { amount, currency, customer = null } = params
          return stripe.create({ reservationId, attempt: Number(attempt), amount, currency, customer })
        }),
      ),
    updateIntent: (id: string, params: { customer?: string }, key: string) =>
      call(`update ${id}`, () =>
        once(key, `update ${params.customer}`, () =>
          onPayable(id, (intent) => Object.assign(intent, { customer: params.customer ?? intent.customer })),
        ),
      ),
    confirmIntent: (id: string, { payment_method: method }: { payment_method: string }, key: string) =>
      call(`confirm ${id}`, () =>
        once(key, `confirm ${method}`, () =>
          onPayable(id, (intent) => {
            intent.method = method
            stripe.confirm(intent, cardOf(method))
            return intent.declineCode === null ? intent : { problem: problem('declined', intent.declineCode), intent }
          }),
        ),
      ),
    cancelIntent: (id: string, key: string) =>
      call(`cancel ${id}`, () =>
        once(key, 'cancel', () =>
          onPayable(id, (intent) => {
            stripe.cancel(intent)
            return intent
          }),
        ),
      ),
    createRefund: (params: { payment_intent: string; metadata: { cause: StripeRefund['cause'] } }, key: string) =>
      call(`refund ${params.payment_intent}`, () =>
        once(key, 'refund', () => {
          const intent = intentOf(params.payment_intent)
          if (isRefusal(intent)) return intent
          if (intent.status !== 'succeeded') return { problem: problem('refused', 'charge_not_captured') }
          if (intent.refunded >= intent.amount) return { problem: problem('refused', 'charge_already_refunded') }
          const refund = stripe.refund(intent, params.metadata.cause)
          bankMayRefuse(world, refund)
          return shown(refund)
        }),
      ),
    listRefunds: (id: string) =>
      call(`list refunds of ${id}`, () => stripe.refunds.filter(({ intentId }) => intentId === id).map(shown)),
    createCustomer: ({ metadata }: { metadata: { userId: string } }, key: string) =>
      call(`customer ${metadata.userId}`, () => once(key, 'customer', () => ({ id: `cus_${metadata.userId}` }))),
  }
  return door as unknown as StripeDoor
}

interface CreateParams {
  readonly amount: number
  readonly currency: string
  readonly customer?: string
  readonly metadata: { readonly reservationId: string; readonly attempt: string }
}

const cardOf = (method: string): Card =>
  (Object.entries(savedCards).find(([, id]) => id === method)?.[0] ?? 'good') as Card

const isIntent = (value: unknown): value is PaymentIntent =>
  typeof value === 'object' && value !== null && 'isOrphan' in value
const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'problem' in value

function asItIs(result: unknown): Kept {
  if (isRefusal(result)) return { refusal: { ...result, ...(result.intent && { intent: { ...result.intent } }) } }
  return { result: isIntent(result) ? seen(result, false) : result }
}

const shown = ({ id, amount, createdAt, cause, status }: StripeRefund): SeenRefund => ({
  ...{ id, createdAt, cause, amountMinor: amount, status, reason: null },
})

const problem = (kind: Problem['kind'], code: string | null): Problem => ({ kind, code, param: null, message: kind })
const unknown = (message: string, keyIsSpent = false) =>
  new StripeProblem({ kind: 'unknown', code: null, param: null, message }, { keyIsSpent })
const refused = ({ problem, intent }: Refusal) => new StripeProblem(problem, { intent: intent && seen(intent, false) })

/** Once: the next refund of the same intent is accepted. */
export function bankMayRefuse({ clock, random, stripe, fails }: World, refund: StripeRefund): void {
  const isFirst = stripe.refunds.filter(({ intentId }) => intentId === refund.intentId).length === 1
  if (isFirst && fails('refund')) clock.after(random.between(500, 60_000), () => stripe.failRefund(refund))
}
