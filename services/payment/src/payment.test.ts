import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type Intent,
  isCaptured,
  isOpen,
  nextStep,
  type Payment,
  type SeenIntent,
  type Sighting,
  type Wish,
  whenIntentSeen,
} from './payment.ts'

const payment: Payment = {
  id: 'p',
  reservationId: 'r',
  userId: 'u',
  amountMinor: 15_000,
  currency: 'usd',
  state: 'open',
  revision: 0,
}
const seen: SeenIntent = {
  id: 'pi_1',
  status: 'requires_payment_method',
  amountReceivedMinor: 0,
  currency: 'usd',
  reservationId: 'r',
  attempt: 1,
  clientSecret: 'secret',
  customer: null,
  savesCard: false,
  stripeMethodId: null,
  chargeId: null,
  amountRefundedMinor: null,
  actionType: null,
  declineCode: null,
  hasFailed: false,
}
const paid: SeenIntent = { ...seen, status: 'succeeded', amountReceivedMinor: 15_000, chargeId: 'ch_1' }
const failed: SeenIntent = { ...seen, hasFailed: true, declineCode: 'generic_decline', chargeId: 'ch_0' }

/** What the record holds after a sighting, as record-intent.ts writes it. */
function after(known: Intent | undefined, one: SeenIntent, sighting: Sighting): Intent | undefined {
  if (sighting.means === 'nothing') return known
  return {
    ...one,
    attempt: 1,
    progress: sighting.means === 'moved' ? sighting.progress : (known?.progress ?? 'unpaid'),
    capturedAt: sighting.means === 'captured' ? new Date(0) : null,
    mismatch: sighting.means === 'mismatched' ? sighting.mismatch : null,
    amountRefundedMinor: 0,
    refundCause: null,
    eventAt: null,
  }
}
const record = (one: SeenIntent): Intent => {
  const intent = after(undefined, one, whenIntentSeen(payment, undefined, [], one))
  if (!intent) throw new Error('nothing was recorded')
  return intent
}

describe('an intent that is seen', () => {
  test('paid as we asked is captured', () => {
    expect(whenIntentSeen(payment, record(seen), [], paid)).toEqual({ means: 'captured' })
  })

  test.each([
    ['amount', { ...paid, amountReceivedMinor: 14_999 }],
    ['currency', { ...paid, currency: 'eur' }],
    ['metadata', { ...paid, reservationId: 'other' }],
    ['metadata', { ...paid, reservationId: null }],
  ])('paid with another %s confirms nothing', (mismatch, one) => {
    expect(whenIntentSeen(payment, record(seen), [], one)).toEqual({ means: 'mismatched', mismatch })
  })

  test('paid on a tombstone confirms nothing, for nobody had asked', () => {
    const tombstone = { ...payment, userId: null, amountMinor: null, currency: null, state: 'closed' as const }
    expect(whenIntentSeen(tombstone, undefined, [], paid)).toEqual({ means: 'mismatched', mismatch: 'amount' })
  })

  test('paid after it was closed is captured all the same: money is a fact', () => {
    const closed = { ...payment, state: 'closed' as const }
    expect(whenIntentSeen(closed, record({ ...seen, status: 'canceled' }), [], paid)).toEqual({ means: 'captured' })
  })

  test('declined again with the same code is news again, the same decline seen again is not', () => {
    const known = record(failed)
    expect(whenIntentSeen(payment, known, [], failed)).toEqual({ means: 'nothing' })
    const again = whenIntentSeen(payment, known, [], { ...failed, chargeId: 'ch_2' })
    expect(again).toEqual({ means: 'moved', progress: 'failed', tell: true })
  })

  test('made a second time while the first is open counts as cancelled: nobody was given it', () => {
    const first = record({ ...seen, id: 'pi_0' })
    expect(whenIntentSeen(payment, undefined, [first], seen)).toEqual({ means: 'canceled' })
    expect(whenIntentSeen(payment, undefined, [first], paid)).toEqual({ means: 'captured' })
  })

  test('failing beside one that was paid is recorded and not told', () => {
    const sighting = whenIntentSeen(payment, record(seen), [record({ ...paid, id: 'pi_0' })], failed)
    expect(sighting).toMatchObject({ means: 'moved', tell: false })
  })
})

const anySeen = fc
  .record({
    status: fc.constantFrom<SeenIntent['status'][]>(
      'requires_payment_method',
      'requires_confirmation',
      'requires_action',
      'processing',
      'canceled',
      'succeeded',
      'unknown',
    ),
    amountReceivedMinor: fc.constantFrom(15_000, 14_000),
    hasFailed: fc.boolean(),
    chargeId: fc.constantFrom(null, 'ch_1', 'ch_2'),
  })
  .map((changes): SeenIntent => ({ ...seen, ...changes }))

describe('whatever is seen, in whatever order and how often', () => {
  test('money is told once at most, and nothing moves a paid intent', () => {
    fc.assert(
      fc.property(fc.array(anySeen, { maxLength: 20 }), (sightings) => {
        let known: Intent | undefined
        let told = 0
        for (const one of sightings) {
          const sighting = whenIntentSeen(payment, known, [], one)
          if (sighting.means === 'captured' || sighting.means === 'mismatched') told += 1
          if (known?.status === 'succeeded') expect(sighting).toEqual({ means: 'nothing' })
          known = after(known, one, sighting)
        }
        expect(told).toBe(sightings.some(({ status }) => status === 'succeeded') ? 1 : 0)
      }),
    )
  })

  test('the last progress is the one on record, until money or a cancellation ends it', () => {
    fc.assert(
      fc.property(fc.array(anySeen, { minLength: 1, maxLength: 20 }), (sightings) => {
        let known: Intent | undefined
        for (const one of sightings) known = after(known, one, whenIntentSeen(payment, known, [], one))
        const statuses = sightings.map(({ status }) => status).filter((status, at) => at === 0 || status !== 'unknown')
        const last = statuses.at(-1)
        const expected = statuses.includes('succeeded')
          ? 'succeeded'
          : statuses.includes('canceled')
            ? 'canceled'
            : last
        expect(known?.status).toBe(expected)
      }),
    )
  })
})

describe('the next step of an attempt', () => {
  const newCard: Wish = { stripeMethodId: null, customer: null, savesCard: false }
  const savedCard: Wish = { stripeMethodId: 'pm_1', customer: 'cus_1', savesCard: false }
  const anyIntents = fc.array(
    fc
      .tuple(anySeen, fc.boolean())
      .map(([one]) => record({ ...one, status: one.status === 'unknown' ? 'processing' : one.status })),
    { maxLength: 4 },
  )

  test('never makes an intent beside one that is open, and never charges once one was paid', () => {
    fc.assert(
      fc.property(anyIntents, fc.constantFrom(newCard, savedCard), fc.option(anySeen), (intents, wish, fresh) => {
        const step = nextStep(payment, intents, wish, fresh ?? undefined)
        if (step.do === 'create') expect(intents.some(isOpen)).toBe(false)
        if (intents.some(isCaptured)) expect(step.do).toBe('answer captured')
        if (step.do === 'confirm') expect(fresh?.id).toBe(step.intent.id)
      }),
    )
  })

  test('of a payment that is being closed asks for nothing', () => {
    expect(nextStep({ ...payment, state: 'closing' }, [record(seen)], newCard, seen)).toEqual({ do: 'answer closed' })
  })

  test('looks at Stripe before it uses an intent', () => {
    expect(nextStep(payment, [record(seen)], newCard, undefined)).toMatchObject({ do: 'look' })
    expect(nextStep(payment, [record(seen)], newCard, seen)).toMatchObject({ do: 'answer open' })
  })

  test('gives the intent a customer before it charges a saved card', () => {
    expect(nextStep(payment, [record(seen)], savedCard, seen)).toMatchObject({ do: 'update' })
    const fresh = { ...seen, customer: 'cus_1' }
    expect(nextStep(payment, [record(seen)], savedCard, fresh)).toMatchObject({ do: 'confirm', stripeMethodId: 'pm_1' })
  })

  test('does without one of a customer that was made anew since', () => {
    const ofOld = { ...seen, customer: 'cus_0' }
    expect(nextStep(payment, [record(ofOld)], savedCard, ofOld)).toMatchObject({ do: 'cancel' })
  })

  test('leaves an intent alone that is being processed', () => {
    const processing = { ...seen, status: 'processing' as const }
    expect(nextStep(payment, [record(processing)], savedCard, processing)).toMatchObject({ do: 'answer open' })
  })
})
