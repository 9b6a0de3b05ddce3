import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { expectError } from '../support/errors.ts'
import { aHold, aPendingReservation, aUser, readReservation, untilStatus } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

interface Converted {
  readonly reservation: { id: string; status: string; paymentIntentId: string }
  readonly paymentClientSecret: string
  readonly requiresAction: boolean
}

/** The rules of converting and paying: one intent that can be paid, whoever asks how often. */
export function converting(stack: TestStack): void {
  let guest: string
  beforeEach(() => {
    guest = aUser()
  })
  afterEach(() => stack.emulator.reset())
  const convert = (holdId: string, more: Record<string, unknown> = {}) =>
    stack.api.call(reservations.convertHold, { as: guest, body: { holdId, ...more } })
  const converted = async (holdId: string, more?: Record<string, unknown>) => {
    const { status, body } = await convert(holdId, more)
    expect({ status, body }).toMatchObject({ status: 200 })
    return body as Converted
  }
  const saveCard = async (number: string) => {
    const paymentMethodId = await stack.stripeJs.createPaymentMethod(number)
    return (await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })).data.id
  }
  const intentsOf = (id: string) => stack.emulator.intentsOf(id)

  describe('two tabs that convert at once', () => {
    test('both get the same intent, the only one at Stripe', async () => {
      const { id } = await aHold(stack, guest)
      const [one, two] = await Promise.all([converted(id), converted(id)])
      expect(two).toEqual(one)
      expect(await intentsOf(id)).toMatchObject([
        { id: one.reservation.paymentIntentId, status: 'requires_payment_method' },
      ])
    })

    test('and eight more tabs, too', async () => {
      const { id } = await aHold(stack, guest)
      const answers = await Promise.all(Array.from({ length: 8 }, () => converted(id)))
      expect(new Set(answers.map(({ reservation }) => reservation.paymentIntentId)).size).toBe(1)
      expect(await intentsOf(id)).toHaveLength(1)
    })

    test('with a saved card each are charged once', async () => {
      const paymentMethodId = await saveCard(cards.success)
      const { id } = await aHold(stack, guest)
      const [one, two] = await Promise.all([convert(id, { paymentMethodId }), convert(id, { paymentMethodId })])
      await untilStatus(stack, guest, id, 'confirmed')
      const intents = await intentsOf(id)
      expect(intents).toMatchObject([{ status: 'succeeded', amount_received: 20_000 }])
      // The second may come when the first has been confirmed already.
      for (const answer of [one, two])
        if (answer.status !== 200) expectError(answer, 'INVALID_HOLD_STATUS')
        else expect((answer.body as Converted).reservation.paymentIntentId).toBe(intents[0]?.id)
      expect([one.status, two.status]).toContain(200)
    })

    test('one with a new card and one with a saved one, which is declined', async () => {
      const paymentMethodId = await saveCard(cards.declinesWhenCharged)
      const { id } = await aHold(stack, guest)
      const [fresh, saved] = await Promise.all([converted(id), convert(id, { paymentMethodId })])
      expectError(saved, 'PAYMENT_CARD_DECLINED', { declineCode: 'generic_decline' })
      const intents = await intentsOf(id)
      expect(intents).toMatchObject([{ id: fresh.reservation.paymentIntentId, status: 'requires_payment_method' }])
      await stack.stripeJs.confirmCardPayment(fresh.paymentClientSecret, cards.success)
      await untilStatus(stack, guest, id, 'confirmed')
    })
  })

  describe('a second convert', () => {
    test('reuses the open intent, after a decline as well', async () => {
      const { id } = await aHold(stack, guest)
      const first = await converted(id)
      await stack.stripeJs.confirmCardPayment(first.paymentClientSecret, cards.declined)
      expect(await converted(id)).toEqual(first)
      expect(await intentsOf(id)).toHaveLength(1)
    })

    test('reuses the intent that waits for 3D Secure, and says so', async () => {
      const paymentMethodId = await saveCard(cards.threeDSecure)
      const { id } = await aHold(stack, guest)
      const first = await converted(id, { paymentMethodId })
      expect(first.requiresAction).toBe(true)
      const second = await converted(id, { paymentMethodId })
      expect(second.reservation.paymentIntentId).toBe(first.reservation.paymentIntentId)
      expect(second.requiresAction).toBe(true)
      await stack.stripeJs.authenticate(first.reservation.paymentIntentId, 'succeed')
      await untilStatus(stack, guest, id, 'confirmed')
      expect(await intentsOf(id)).toMatchObject([{ status: 'succeeded' }])
    })

    test('after 3D Secure has failed is a new try with the same intent', async () => {
      const paymentMethodId = await saveCard(cards.threeDSecure)
      const { id } = await aHold(stack, guest)
      const first = await converted(id, { paymentMethodId })
      await stack.stripeJs.authenticate(first.reservation.paymentIntentId, 'fail')
      const second = await converted(id)
      expect(second.reservation.paymentIntentId).toBe(first.reservation.paymentIntentId)
      expect(second.requiresAction).toBe(false)
      await stack.stripeJs.confirmCardPayment(second.paymentClientSecret, cards.success)
      await untilStatus(stack, guest, id, 'confirmed')
    })

    test('makes a new intent if the first was cancelled', async () => {
      const { id } = await aHold(stack, guest)
      const first = await converted(id)
      await stack.emulator.stripe.paymentIntents.cancel(first.reservation.paymentIntentId)
      const second = await converted(id)
      expect(second.reservation.paymentIntentId).not.toBe(first.reservation.paymentIntentId)
      expect((await readReservation(stack, guest, id)).paymentIntentId).toBe(second.reservation.paymentIntentId)
      const intents = await intentsOf(id)
      expect(intents.map(({ status }) => status).sort()).toEqual(['canceled', 'requires_payment_method'])
      for (const { metadata } of intents)
        expect(metadata).toMatchObject({ reservationId: id, attempt: expect.stringMatching(/^\d+$/) })
      expect(new Set(intents.map(({ metadata }) => metadata.attempt)).size).toBe(2)
      await stack.stripeJs.confirmCardPayment(second.paymentClientSecret, cards.success)
      await untilStatus(stack, guest, id, 'confirmed')
    })

    test('of one that has succeeded finalises it, and answers with that intent and the status as it then is', async () => {
      await stack.emulator.webhooks({ drop: ['payment_intent.succeeded'] })
      const pending = await aPendingReservation(stack, guest)
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      expect((await readReservation(stack, guest, pending.id)).status).toBe('pending')
      expect(await converted(pending.id)).toEqual({
        reservation: { id: pending.id, status: 'confirmed', paymentIntentId: pending.paymentIntentId },
        paymentClientSecret: pending.clientSecret,
        requiresAction: false,
      })
      expect(await intentsOf(pending.id)).toHaveLength(1)
      expectError(await convert(pending.id), 'INVALID_HOLD_STATUS')
    })

    test('with a card that does not exist leaves the open intent as it is', async () => {
      const pending = await aPendingReservation(stack, guest)
      expectError(await convert(pending.id, { paymentMethodId: 'pm_card_visa' }), 'PAYMENT_METHOD_NOT_FOUND')
      expect(await readReservation(stack, guest, pending.id)).toMatchObject({
        ...{ status: 'pending', paymentStatus: 'unpaid', paymentIntentId: pending.paymentIntentId },
      })
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await untilStatus(stack, guest, pending.id, 'confirmed')
    })
  })

  test('Stripe is told whose payment it is, under a key that is not the one of the client', async () => {
    const { id } = await aHold(stack, guest)
    const key = 'the-key-of-the-client'
    await stack.api.ok(reservations.convertHold, { as: guest, body: { holdId: id, savePaymentMethod: true }, key })
    const requests = await stack.emulator.requests()
    const created = requests.filter(({ operation }) => operation === 'payment_intents.create')
    const mine = created.filter(({ params }) => (params.metadata as { reservationId: string }).reservationId === id)
    expect(mine).toMatchObject([
      {
        idempotencyKey: `reservation:${id}:1`,
        params: { amount: 20_000, currency: 'usd', setup_future_usage: 'on_session', metadata: { attempt: '1' } },
      },
    ])
    expect(JSON.stringify(requests)).not.toContain(key)
  })
}
