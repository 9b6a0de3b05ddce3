import { randomUUID } from 'node:crypto'
import { send } from '@holdfast/contracts/message'
import { type Capture, PaymentCaptured, PaymentClosed } from '@holdfast/contracts/messages/payment'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type ReservationStack, startReservationStack } from './neighbours.fixture.ts'
import { aReservation } from './reservation.fixture.ts'

let stack: ReservationStack
beforeAll(async () => {
  stack = await startReservationStack()
})
afterAll(() => stack.stop())

async function aHold(): Promise<string> {
  const { experienceId, timeSlotId, guestName, guestEmail } = aReservation()
  const body = { experienceId, timeSlotId, numberOfGuests: 2, guestName, guestEmail }
  return (await stack.call('POST', '/v1/reservations/hold', body)).body.reservation.id
}

/** The same request each time it is called. */
function converting(holdId: string, card: { paymentMethodId?: string }) {
  const key = randomUUID()
  return () => stack.call('POST', '/v1/reservations/hold/convert', { holdId, ...card }, key)
}
const savedCard = { paymentMethodId: randomUUID() }

const captureOf = (reservationId: string): Capture => ({
  ...{ reservationId, paymentId: randomUUID(), paymentIntentId: `pi_${reservationId}`, chargeId: 'ch_1' },
  ...{ amountMinor: aReservation().totalPrice, currency: 'usd', capturedAt: new Date().toISOString() },
})

/** The end of the hold has closed its payment before the attempt is answered. */
const closedAtTheEndOf = (id: string) => async () => {
  await stack.payment.isClosing(id)
  return { outcome: 'closed' as const }
}

const statusOf = async (id: string) => (await stack.call('GET', `/v1/reservations/${id}`)).body.reservation.status

describe('a hold that ends while its saved card is charged', () => {
  test('is not said to have expired when the charge was in time, whichever is heard of first', async () => {
    const id = await aHold()
    stack.payment.opens(async () => {
      await stack.payment.isClosing(id)
      const charged = { stripeStatus: 'succeeded' as const, requiresAction: false, revision: 1 }
      return { outcome: 'open', paymentIntentId: `pi_${id}`, clientSecret: 'secret', ...charged }
    })
    const convert = converting(id, savedCard)
    expect(await convert()).toMatchObject({ status: 503 })
    await stack.payment.says(send(PaymentCaptured, captureOf(id)))
    await eventually('it is confirmed', async () => (await statusOf(id)) === 'confirmed')
    expect(await convert()).toMatchObject({ status: 200, body: { reservation: { id, paymentIntentId: `pi_${id}` } } })
  })

  test('nor when its payment is closed, until it is known whether the charge has arrived', async () => {
    const id = await aHold()
    stack.payment.opens(closedAtTheEndOf(id))
    const convert = converting(id, savedCard)
    expect(await convert()).toMatchObject({ status: 503 })
    await stack.payment.says(send(PaymentCaptured, captureOf(id)))
    await eventually('it is confirmed', async () => (await statusOf(id)) === 'confirmed')
    expect(await convert()).toMatchObject({ status: 503 })
    stack.payment.opens(async () => ({ outcome: 'captured', clientSecret: 'secret', capture: captureOf(id) }))
    expect(await convert()).toMatchObject({ status: 200, body: { reservation: { id, status: 'confirmed' } } })
  })

  test('is said to have expired, and that is kept, once it is known that it was not charged', async () => {
    const id = await aHold()
    stack.payment.opens(closedAtTheEndOf(id))
    const convert = converting(id, savedCard)
    expect(await convert()).toMatchObject({ status: 503 })
    await stack.payment.says(send(PaymentClosed, { reservationId: id }))
    await eventually('it has expired', async () => (await statusOf(id)) === 'expired')
    const answer = await convert()
    expect(answer).toMatchObject({ status: 400, body: { error: 'HOLD_EXPIRED' } })
    expect((await convert()).headers.get('idempotent-replayed')).toBe('true')
  })
})

test('a hold that ends before there was a card is said to have expired at once', async () => {
  const id = await aHold()
  stack.payment.opens(closedAtTheEndOf(id))
  expect(await converting(id, {})()).toMatchObject({ status: 400, body: { error: 'HOLD_EXPIRED' } })
})
