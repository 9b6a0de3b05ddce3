import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { manage } from '@holdfast/testing/management'
import { expect, test } from '@jest/globals'
import { anOffer, aUser, holdBody, untilSeats } from './support/situation.ts'
import { stackOfThisFile } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** Instances are replaced one after the other, as a release does it, while guests go on booking. */
const stack = stackOfThisFile({}, { inventory: 2, reservation: 2, payment: 2, timeout: 2 })

const guests = 4

test.each(['reservation', 'inventory', 'payment', 'timeout'])(
  '%s is replaced while guests book: nobody notices, and no message is delivered again',
  async (service) => {
    const offer = await anOffer(stack, { slot: { capacity: 10_000 } })
    let isOver = false
    let booked = 0
    const guest = async () => {
      const as = aUser()
      while (!isOver) {
        await book(as, offer)
        booked += 1
      }
    }
    const booking = Promise.all(Array.from({ length: guests }, guest))
    const replacing = (async () => {
      for (const instance of [service, `${service}-2`]) {
        await stack.running.down(instance)
        await stack.running.up(instance)
      }
      isOver = true
    })()
    await Promise.all([booking, replacing])
    expect(booked).toBeGreaterThan(guests)
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 * booked })
    expect(await redelivered()).toEqual({})
  },
  120_000,
)

/** The whole way, on which every answer must be a good one at the first try. */
async function book(as: string, offer: Awaited<ReturnType<typeof anOffer>>): Promise<void> {
  const key = randomUUID()
  const { reservation } = await stack.api.ok(reservations.createHold, { as, body: holdBody(offer), key })
  const { id } = reservation
  const converted = await stack.api.ok(reservations.convertHold, { as, body: { holdId: id }, key: `${key}-convert` })
  const { paymentClientSecret, reservation: pending } = converted
  await stack.stripeJs.confirmCardPayment(paymentClientSecret ?? '', cards.success)
  const body = { reservationId: id, paymentIntentId: pending.paymentIntentId }
  expect((await stack.api.ok(reservations.confirmReservation, { as, body })).reservation.status).toBe('confirmed')
  await stack.api.ok(reservations.getPaymentStatus, { as, params: { id } })
}

/** By RabbitMQ's own count, of each queue that has delivered something again. */
async function redelivered(): Promise<Record<string, number>> {
  const queues = (await manage(stack.running.stack.rabbitmqManagementUrl, 'GET', '/api/queues')) as {
    name: string
    message_stats?: { redeliver?: number }
  }[]
  return Object.fromEntries(
    queues.flatMap(({ name, message_stats }) => (message_stats?.redeliver ? [[name, message_stats.redeliver]] : [])),
  )
}
