import { DomainError } from '@holdfast/contracts/errors'
import { stripeWebhook } from '@holdfast/contracts/routes/payments'
import { stripeEvents } from '@holdfast/contracts/stripe-events'
import type { Database } from '@holdfast/db/database'
import { router } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import type { Subject } from './event-store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import { AboutIntent, Customer, Intent, type StripeEvent } from './stripe-objects.ts'
import { takeEvent } from './take-event.ts'

/** Stripe's events are small, but a charge with everything expanded is more than a request of ours may be. */
const bodyLimitBytes = 1024 * 1024

const aboutIntents = new Set<string>(stripeEvents.intents)
const aboutRefunds = new Set<string>(stripeEvents.refunds)
const aboutCustomers = new Set<string>(stripeEvents.customers)

/** Stripe's events over HTTP: signed, of a shape that we know, and stored with their effect before Stripe is answered. */
export function serveWebhook(
  { app, verifier }: Pick<Parts, 'app' | 'verifier'>,
  parts: { database: Database; calls: StripeCalls; stripe: StripeDoor },
): void {
  const { calls, stripe, database } = parts
  app.register((scope, _options, ready) => {
    // The signature is over the bytes, so nothing here may parse them.
    scope.removeAllContentTypeParsers()
    const raw = { parseAs: 'buffer', bodyLimit: bodyLimitBytes } as const
    scope.addContentTypeParser('*', raw, (_request, body, done) => done(null, body))
    router(scope, { verifier, database }).serve(stripeWebhook, async ({ request }) => {
      const signature = request.headers['stripe-signature']
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      if (typeof signature !== 'string') throw new DomainError('INVALID_SIGNATURE')
      const event = stripe.readEvent(body, signature)
      await calls.transact((tx) => takeEvent(tx, event, subjectOf(event)))
      return { received: true as const }
    })
    ready()
  })
}

function subjectOf({ type, object, createdAt }: StripeEvent): Subject | undefined {
  if (aboutIntents.has(type))
    return { about: 'intent', intent: orInvalid(Intent, object), createdAt: createdAt.toISOString() }
  if (aboutCustomers.has(type)) return { about: 'customer', customer: orInvalid(Customer, object).id }
  if (!aboutRefunds.has(type)) return undefined
  const paymentIntentId = orInvalid(AboutIntent, object)
  // A charge that was made without an intent is none of ours.
  return paymentIntentId === null ? undefined : { about: 'refunds', paymentIntentId }
}

/** Signed by Stripe and still not of the shape that its API version promises. */
function orInvalid<Schema extends z.ZodType>(schema: Schema, object: unknown): z.output<Schema> {
  const parsed = schema.safeParse(object)
  if (parsed.success) return parsed.data
  throw new DomainError('VALIDATION_ERROR', [{ path: 'body.data.object', message: 'is not of the shape we know' }])
}
