import type { Route } from '@holdfast/contracts/route'
import { allRoutes } from '@holdfast/contracts/routes/all'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { beforeAll, describe, expect, test } from '@jest/globals'
import type { CallOptions } from '../support/api.ts'
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

  /** By route, how a stranger tries to get at each thing, and the 404 that all of it ends with. */
  const ids = () => [held, pending.id, confirmed.id]
  const byId = () => ids().map((id) => ({ params: { id } }))
  const byCard = () => [{ params: { id: card.id } }, { params: { id: stripesCard } }]
  const attempts: Record<string, Attempt> = {
    'GET /v1/reservations/:id': { code: 'RESERVATION_NOT_FOUND', of: byId },
    'GET /v1/reservations/:id/payment-status': { code: 'RESERVATION_NOT_FOUND', of: byId },
    'GET /v1/reservations/:id/timeline': { code: 'RESERVATION_NOT_FOUND', of: byId },
    'DELETE /v1/reservations/hold/:id': { code: 'RESERVATION_NOT_FOUND', of: byId },
    'POST /v1/reservations/hold/convert': {
      code: 'RESERVATION_NOT_FOUND',
      of: () =>
        ids().flatMap((holdId) =>
          [{}, { paymentMethodId: card.id }, { savePaymentMethod: true }].map((more) => ({
            body: { holdId, ...more },
          })),
        ),
    },
    'POST /v1/reservations/confirm': {
      code: 'RESERVATION_NOT_FOUND',
      of: () =>
        ids().flatMap((reservationId) =>
          [pending, confirmed].map(({ paymentIntentId }) => ({ body: { reservationId, paymentIntentId } })),
        ),
    },
    'DELETE /v1/payments/methods/:id': { code: 'PAYMENT_METHOD_NOT_FOUND', of: byCard },
    'PUT /v1/payments/methods/:id/default': { code: 'PAYMENT_METHOD_NOT_FOUND', of: byCard },
  }
  /** What names nothing that belongs to anybody, or is looked at below. */
  const nobodys = [
    // Everybody's: the catalogue, which only operators change. And what only operators see.
    ...allRoutes.filter(({ service, auth }) => service === 'inventory' || auth === 'operator').map(nameOf),
    // The caller's own, and nothing else is named.
    ...['GET /v1/reservations', 'GET /v1/payments/methods', 'POST /v1/reservations/hold'],
    // By a name at Stripe.
    'POST /v1/payments/methods',
    // Authenticated by its signature.
    'POST /v1/webhooks/stripe',
  ]

  test('every route is known to be nobody’s, or tried by a stranger', () => {
    expect([...Object.keys(attempts), ...nobodys].sort()).toEqual(allRoutes.map(nameOf).sort())
  })

  describe.each([
    ['a stranger', aUser()],
    ['even an operator', operator],
  ])('%s', (_who, as) => {
    test("finds nothing of somebody else's, whatever is tried, and Stripe hears nothing of it", async () => {
      const { id: own } = await aHold(stack, as)
      const before = await everything()
      for (const [name, attempt] of Object.entries(attempts)) {
        const route = allRoutes.find((each) => nameOf(each) === name)
        if (!route) throw new Error(`there is no route ${name}`)
        for (const options of attempt.of())
          expectError(await stack.api.call(route, { as, ...options } as CallOptions<Route>), attempt.code)
      }
      const { reservations: theirs } = await stack.api.ok(reservations.listReservations, { as, query: { limit: 100 } })
      expect(theirs.filter(({ id }) => [held, pending.id, confirmed.id].includes(id))).toEqual([])
      expect((await stack.api.ok(payments.listPaymentMethods, { as })).data).toEqual([])
      expect(await everything()).toEqual(before)
      expect(await readReservation(stack, as, own)).toMatchObject({ status: 'held', paymentStatus: 'unpaid' })
    })

    test("cannot pay its own hold with somebody else's card", async () => {
      const { id: holdId } = await aHold(stack, as)
      const before = await everything()
      for (const paymentMethodId of [card.id, stripesCard]) {
        const body = { holdId, paymentMethodId }
        expectError(await stack.api.call(reservations.convertHold, { as, body }), 'PAYMENT_METHOD_NOT_FOUND')
      }
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

interface Attempt {
  readonly code: 'RESERVATION_NOT_FOUND' | 'PAYMENT_METHOD_NOT_FOUND'
  of(): Pick<CallOptions<Route>, 'body'>[] | { params: { id: string } }[]
}

const nameOf = ({ method, url }: Route) => `${method} ${url}`
