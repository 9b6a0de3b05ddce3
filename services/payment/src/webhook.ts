import { DomainError } from '@holdfast/contracts/errors'
import { stripeWebhook } from '@holdfast/contracts/routes/payments'
import type { Database } from '@holdfast/db/database'
import { router } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import { finishEvent, insertEvent, knowsEvent, lockParkedEvent, parkEventAgain, type Subject } from './event-store.ts'
import { recordIntent } from './record-intent.ts'
import { lockPayment, lockPaymentOfIntent, tryClosingNow } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls, Tx } from './stripe-calls.ts'
import { AboutIntent, Intent, type StripeEvent } from './stripe-objects.ts'

/** Stripe's events are small, but a charge with everything expanded is more than a request of ours may be. */
const bodyLimitBytes = 1024 * 1024

const aboutIntents = new Set([
  'payment_intent.succeeded',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'payment_intent.requires_action',
  'payment_intent.processing',
])
const aboutRefunds = new Set(['charge.refunded', 'refund.updated', 'refund.failed'])

/**
 * Stripe's events. Each is stored once, with its effect, before Stripe is told that we have it. What needs a call to Stripe
 * is ordered in the same transaction; what is about an intent that we do not know yet is parked.
 */
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
      await calls.transact((tx) => takeEvent(tx, event))
      return { received: true as const }
    })
    ready()
  })
}

async function takeEvent(tx: Tx, event: StripeEvent): Promise<void> {
  if (await knowsEvent(tx, event.id)) return
  const subject = subjectOf(event)
  const state = subject ? await apply(tx, event.id, subject) : 'ignored'
  // Two deliveries at the same time: the effect is harmless twice, the row is there once.
  await insertEvent(tx, event, state, subject)
}

/** Tries the parked event that is due; says whether there was one. */
export async function takeParkedEvent(calls: StripeCalls): Promise<boolean> {
  return calls.transact(async (tx) => {
    const event = await lockParkedEvent(tx)
    if (!event) return false
    if ((await apply(tx, event.id, event.subject)) === 'done') await finishEvent(tx, event.id)
    else await parkEventAgain(tx, event.id)
    return true
  })
}

function subjectOf({ type, object, createdAt }: StripeEvent): Subject | undefined {
  if (aboutIntents.has(type))
    return { about: 'intent', intent: orInvalid(Intent, object), createdAt: createdAt.toISOString() }
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

async function apply(tx: Tx, eventId: string, subject: Subject): Promise<'done' | 'parked'> {
  if (subject.about === 'intent') return applyIntent(tx, subject)
  const { paymentIntentId } = subject
  const payment = await lockPaymentOfIntent(tx, paymentIntentId)
  if (!payment) return 'parked'
  const { reservationId } = payment
  await tx.order({ operation: 'refunds.list', reservationId, paymentIntentId, because: eventId })
  return 'done'
}

async function applyIntent(tx: Tx, { intent, createdAt }: Subject & { about: 'intent' }): Promise<'done' | 'parked'> {
  const known = await lockPaymentOfIntent(tx, intent.id)
  if (known) {
    const { means } = await recordIntent(tx, known, intent, { eventAt: new Date(createdAt) })
    if (means !== 'nothing') await tryClosingNow(tx, known)
    return 'done'
  }
  // Made for one of our reservations, by a call whose answer never reached us.
  const payment = intent.reservationId === null ? undefined : await lockPayment(tx, intent.reservationId)
  if (!payment) return 'parked'
  // The call will be repeated and will find it as it then is. Money does not wait for that.
  if (intent.status === 'succeeded') await recordIntent(tx, payment, intent, { eventAt: new Date(createdAt) })
  return 'done'
}
