import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { expectError } from '../support/errors.ts'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  type Offer,
  readReservation,
  readSlot,
} from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

/** What belongs to somebody else does not exist: 404 of that kind, no call to Stripe, and nothing is changed. */
export function strangers(stack: TestStack): void {
  const owner = aUser()
  let offer: Offer
  let held: string
  let pending: { id: string; paymentIntentId: string }
  let confirmed: { id: string; paymentIntentId: string }
  let card: { id: string }
  let stripesCard: string
  beforeAll(async () => {
    offer = await anOffer(stack)
    held = (await aHold(stack, owner, offer)).id
    pending = await aPendingReservation(stack, owner, offer)
    confirmed = await aConfirmedReservation(stack, owner, offer)
    stripesCard = await stack.stripeJs.createPaymentMethod(cards.success)
    const body = { paymentMethodId: stripesCard }
    card = (await stack.api.ok(payments.addPaymentMethod, { as: owner, body })).data
  }, 60_000)

  /** What the owner sees, and what Stripe was asked. */
  const everything = async () => ({
    reservations: await Promise.all([held, pending.id, confirmed.id].map((id) => readReservation(stack, owner, id))),
    timelines: await Promise.all(
      [held, pending.id, confirmed.id].map((id) =>
        stack.api.ok(reservations.getTimeline, { as: owner, params: { id } }),
      ),
    ),
    cards: await stack.api.ok(payments.listPaymentMethods, { as: owner }),
    slot: await readSlot(stack, offer.timeSlotId),
    requests: await stack.emulator.requests(),
  })

  describe.each([
    ['a stranger', aUser()],
    ['even an operator', operator],
  ])('%s', (_who, as) => {
    test("finds none of somebody else's reservations, whatever is tried, and Stripe hears nothing of it", async () => {
      const before = await everything()
      for (const id of [held, pending.id, confirmed.id]) {
        const params = { id }
        for (const route of [
          reservations.getReservation,
          reservations.getPaymentStatus,
          reservations.getTimeline,
          reservations.releaseHold,
        ])
          expectError(await stack.api.call(route, { as, params }), 'RESERVATION_NOT_FOUND')
        for (const body of [
          { holdId: id },
          { holdId: id, paymentMethodId: card.id },
          { holdId: id, savePaymentMethod: true },
        ])
          expectError(await stack.api.call(reservations.convertHold, { as, body }), 'RESERVATION_NOT_FOUND')
        for (const paymentIntentId of [pending.paymentIntentId, confirmed.paymentIntentId]) {
          const body = { reservationId: id, paymentIntentId }
          expectError(await stack.api.call(reservations.confirmReservation, { as, body }), 'RESERVATION_NOT_FOUND')
        }
      }
      const { reservations: theirs } = await stack.api.ok(reservations.listReservations, { as, query: { limit: 100 } })
      expect(theirs.filter(({ id }) => [held, pending.id, confirmed.id].includes(id))).toEqual([])
      expect(await everything()).toEqual(before)
    })

    test("finds none of somebody else's cards, whatever is tried, and Stripe hears nothing of it", async () => {
      const { id: holdId } = await aHold(stack, as)
      const before = await everything()
      const params = { id: card.id }
      expectError(await stack.api.call(payments.deletePaymentMethod, { as, params }), 'PAYMENT_METHOD_NOT_FOUND')
      expectError(await stack.api.call(payments.setDefaultPaymentMethod, { as, params }), 'PAYMENT_METHOD_NOT_FOUND')
      const body = { holdId, paymentMethodId: card.id }
      expectError(await stack.api.call(reservations.convertHold, { as, body }), 'PAYMENT_METHOD_NOT_FOUND')
      expect((await stack.api.ok(payments.listPaymentMethods, { as })).data).toEqual([])
      expect(await everything()).toEqual(before)
      expect(await readReservation(stack, as, holdId)).toMatchObject({ status: 'held', paymentStatus: 'unpaid' })
    })

    test("cannot take somebody else's card by its name at Stripe", async () => {
      const customer = async () => (await stack.emulator.stripe.paymentMethods.retrieve(stripesCard)).customer
      const before = await customer()
      const body = { paymentMethodId: stripesCard }
      expectError(await stack.api.call(payments.addPaymentMethod, { as, body }), 'PAYMENT_METHOD_NOT_FOUND')
      expect(await customer()).toBe(before)
      expect((await stack.api.ok(payments.listPaymentMethods, { as })).data).toEqual([])
    })

    test("cannot confirm a reservation with somebody else's payment", async () => {
      const own = await aPendingReservation(stack, as)
      const requests = (await stack.emulator.requests()).length
      const body = { reservationId: own.id, paymentIntentId: confirmed.paymentIntentId }
      expectError(await stack.api.call(reservations.confirmReservation, { as, body }), 'PAYMENT_PROCESSING_FAILED', {
        reason: expect.any(String),
      })
      expect(await stack.emulator.requests()).toHaveLength(requests)
      expect(await readReservation(stack, as, own.id)).toMatchObject({ status: 'pending', paymentStatus: 'unpaid' })
    })
  })

  test('a claim to be somebody else is not believed', async () => {
    const headers = { 'x-user-id': owner, 'x-amzn-oidc-identity': owner, 'x-forwarded-user': owner }
    const answer = await stack.api.send('GET', `/v1/reservations/${held}`, { as: aUser(), headers })
    expectError(answer, 'RESERVATION_NOT_FOUND')
  })
}
