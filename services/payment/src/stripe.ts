import { DomainError, reasonOf } from '@holdfast/contracts/errors'
import { parseJson } from '@holdfast/http/json'
import { Counter, Gauge, Histogram, registry } from '@holdfast/runtime/metrics'
import CircuitBreaker from 'opossum'
import { Stripe } from 'stripe'
import type { z } from 'zod'
import type { Settings } from './config.ts'
import { Customer, Event, Intent, Method, Refund, Refunds, type StripeEvent } from './stripe-objects.ts'
import { type Problem, StripeProblem } from './stripe-problem.ts'

/** The only file that knows Stripe's library. Every call goes through one breaker, every error through one translator. */

const apiVersion = '2026-10-28.endive'
/** Failures of ten calls or more, half of them or more, within ten seconds mean that Stripe is away. */
const breaking = { errorThresholdPercentage: 50, volumeThreshold: 10, rollingCountTimeout: 10_000 }
/** A refund that reads further back than this was looked at before. */
const refundsAtOnce = 100

const breakerOpen = new Gauge({
  name: 'holdfast_stripe_breaker_open',
  help: '1 while calls to Stripe are turned away because it failed too often; 0.5 while one is let through',
  registers: [registry],
})
const seconds = new Histogram({
  name: 'holdfast_stripe_seconds',
  help: 'Duration of calls to Stripe',
  labelNames: ['operation', 'outcome'],
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  registers: [registry],
})
const turnedAway = new Counter({
  name: 'holdfast_stripe_turned_away_total',
  help: 'Calls the breaker did not let through',
  registers: [registry],
})

/** Calls return what was checked to be what was asked for, or throw a `StripeProblem`. */
export type StripeDoor = ReturnType<typeof openStripe>

export function openStripe(settings: Settings) {
  const client = new Stripe(settings.STRIPE_SECRET_KEY, {
    apiVersion,
    timeout: settings.STRIPE_TIMEOUT_SECONDS * 1_000,
    maxNetworkRetries: 1,
    telemetry: false,
    ...(settings.STRIPE_API_URL && addressOf(settings.STRIPE_API_URL)),
  })
  const signatures = client.webhooks.signature
  if (!signatures) throw new Error('this build of the Stripe library cannot verify signatures')
  const breaker = createBreaker(settings.STRIPE_BREAKER_RESET_SECONDS * 1_000)

  async function call<Schema extends z.ZodType>(
    operation: string,
    schema: Schema,
    make: () => Promise<unknown>,
  ): Promise<z.output<Schema>> {
    const end = seconds.startTimer({ operation })
    const made = async () => checked(schema, await make())
    try {
      const result = (await breaker.fire(() => made().catch(rethrow))) as z.output<Schema>
      end({ outcome: 'done' })
      return result
    } catch (error) {
      const problem = error instanceof StripeProblem ? error : away(error)
      end({ outcome: problem.problem.kind })
      throw problem
    }
  }

  const latestCharge = { expand: ['latest_charge'] }
  return {
    retrieveIntent: (id: string) =>
      call('payment_intents.retrieve', Intent, () => client.paymentIntents.retrieve(id, latestCharge)),
    createIntent: (params: Stripe.PaymentIntentCreateParams, idempotencyKey: string) =>
      call('payment_intents.create', Intent, () => client.paymentIntents.create(params, { idempotencyKey })),
    updateIntent: (id: string, params: Stripe.PaymentIntentUpdateParams, idempotencyKey: string) =>
      call('payment_intents.update', Intent, () => client.paymentIntents.update(id, params, { idempotencyKey })),
    confirmIntent: (id: string, params: Stripe.PaymentIntentConfirmParams, idempotencyKey: string) =>
      call('payment_intents.confirm', Intent, () => client.paymentIntents.confirm(id, params, { idempotencyKey })),
    cancelIntent: (id: string, idempotencyKey: string) =>
      call('payment_intents.cancel', Intent, () =>
        client.paymentIntents.cancel(id, { cancellation_reason: 'abandoned' }, { idempotencyKey }),
      ),
    createRefund: (params: Stripe.RefundCreateParams, idempotencyKey: string) =>
      call('refunds.create', Refund, () => client.refunds.create(params, { idempotencyKey })),
    listRefunds: (paymentIntentId: string) =>
      call('refunds.list', Refunds, () =>
        client.refunds.list({ payment_intent: paymentIntentId, limit: refundsAtOnce }),
      ),
    createCustomer: (params: Stripe.CustomerCreateParams, idempotencyKey: string) =>
      call('customers.create', Customer, () => client.customers.create(params, { idempotencyKey })),
    retrieveMethod: (id: string) => call('payment_methods.retrieve', Method, () => client.paymentMethods.retrieve(id)),
    attachMethod: (id: string, customer: string, idempotencyKey: string) =>
      call('payment_methods.attach', Method, () => client.paymentMethods.attach(id, { customer }, { idempotencyKey })),
    detachMethod: (id: string, idempotencyKey: string) =>
      call('payment_methods.detach', Method, () => client.paymentMethods.detach(id, {}, { idempotencyKey })),

    /** An event that Stripe signed. Throws `INVALID_SIGNATURE`, or `VALIDATION_ERROR` for what was signed and is no event. */
    readEvent: (body: Buffer, signature: string): StripeEvent => {
      const { STRIPE_WEBHOOK_SECRET: secret, STRIPE_WEBHOOK_TOLERANCE_SECONDS: tolerance } = settings
      try {
        // Besides its own error it throws whatever its comparison makes of bytes that no signature has.
        signatures.verifyHeader(body, signature, secret, tolerance)
      } catch {
        throw new DomainError('INVALID_SIGNATURE')
      }
      const event = Event.safeParse(parseJson(body.toString()))
      if (!event.success)
        throw new DomainError('VALIDATION_ERROR', [{ path: 'body', message: 'is not an event of Stripe' }])
      return event.data
    },
    close: () => breaker.shutdown(),
  }
}

function addressOf(url: string) {
  const { protocol, hostname, port } = new URL(url)
  return { protocol: protocol === 'https:' ? 'https' : 'http', host: hostname, port } as const
}

function createBreaker(resetTimeout: number) {
  const breaker = new CircuitBreaker((make: () => Promise<unknown>) => make(), {
    ...breaking,
    // The client has its own, which also ends the call.
    timeout: false,
    resetTimeout,
    // What Stripe answers for a reason says nothing against Stripe; nor does what our key may not do.
    errorFilter: (error: unknown) =>
      error instanceof StripeProblem && (error.problem.kind !== 'unknown' || error.isForbidden),
  })
  breaker.on('open', () => breakerOpen.set(1))
  breaker.on('halfOpen', () => breakerOpen.set(0.5))
  breaker.on('close', () => breakerOpen.set(0))
  breaker.on('reject', () => turnedAway.inc())
  return breaker
}

function checked<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const faults = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw away(new Error(`Stripe answered with something else: ${faults.join('; ')}`))
}

function rethrow(error: unknown): never {
  throw error instanceof StripeProblem ? error : translate(error)
}

function away(cause: unknown, more: { keyIsSpent?: boolean; isForbidden?: boolean } = {}): StripeProblem {
  const message = `Stripe is not reachable: ${reasonOf(cause)}`
  return new StripeProblem({ kind: 'unknown', code: null, param: null, message }, { cause, ...more })
}

/** Stripe's errors in our words. What is no clear answer leaves the outcome unknown. */
function translate(error: unknown): StripeProblem {
  if (!(error instanceof Stripe.errors.StripeError) || error.statusCode === undefined) return away(error)
  const { statusCode, code, decline_code, param, message, headers } = error
  const replayed = headers?.['idempotent-replayed'] === 'true'
  // A key in use, a lock, a limit, a wrong API key: none of them is an answer to what was asked.
  if ([401, 403, 409, 429].includes(statusCode) || code === 'lock_timeout')
    return away(error, { isForbidden: statusCode === 403 })
  // Ours, and asked for with a key of the other mode: a wrong setting, by which nothing is to be forgotten.
  if (/similar object exists in (live|test) mode/.test(message)) return away(error)
  // A kept failure is replayed to its key for ever; Stripe says so on the first already.
  if (statusCode >= 500) return away(error, { keyIsSpent: replayed || headers?.['stripe-should-retry'] === 'false' })
  if (error instanceof Stripe.errors.StripeIdempotencyError) return away(error, { keyIsSpent: true })
  const intent = Intent.safeParse(error.payment_intent).data
  // The library says '' of a decline that has no code of its own, as that of an expired card.
  const problem = { code: decline_code || code || null, param: param ?? null, message }
  return new StripeProblem({ ...problem, kind: kindOf(error) }, { cause: error, intent })
}

function kindOf(error: InstanceType<typeof Stripe.errors.StripeError>): Problem['kind'] {
  if (error instanceof Stripe.errors.StripeCardError) return 'declined'
  if (error.code === 'payment_intent_unexpected_state') return 'unexpected_state'
  return error.code === 'resource_missing' ? 'not_found' : 'refused'
}
