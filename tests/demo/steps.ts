import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import type { Fields } from './narrator.ts'
import type { Story } from './story.ts'

/** What most scenarios have in common. */

const settlesWithinMs = 10_000

export async function hold(story: Story, options: { key: string; holdSeconds?: number }) {
  const { key, holdSeconds } = options
  const offer = await story.offer(holdSeconds === undefined ? undefined : { holdSeconds })
  const body = { ...offer, numberOfGuests: 2, guestName: 'Ana Guest', guestEmail: 'ana@example.com' }
  const { reservation } = await story.calls(reservations.createHold, {
    says: 'Ana holds two of ten seats on a boat.',
    ...{ body, key },
    shows: ({ reservation: { status, originalPrice, totalPrice, holdExpiresAt } }) => ({
      status,
      originalPrice,
      totalPrice,
      holdExpiresAt,
    }),
    expects: { status: 'held', originalPrice: 20_000, totalPrice: 15_000 },
    means: `Hers for ${holdSeconds ? `${holdSeconds} s` : '15 minutes'}, with 15 % off for two and 10 % for booking early.`,
  })
  return { holdId: reservation.id, holdExpiresAt: reservation.holdExpiresAt, timeSlotId: offer.timeSlotId, body }
}

export async function convert(story: Story, holdId: string, key: string) {
  const { reservation, paymentClientSecret } = await story.calls(reservations.convertHold, {
    says: 'She goes on to the payment.',
    body: { holdId },
    key,
    shows: ({ reservation: { status, paymentIntentId }, requiresAction }) => ({
      status,
      paymentIntentId,
      requiresAction,
    }),
    expects: { status: 'pending', requiresAction: false },
    means: 'A payment intent waits at Stripe; its client secret is for Stripe.js.',
  })
  const { paymentIntentId } = reservation
  if (!paymentIntentId || !paymentClientSecret) throw new Error('there should have been something to pay')
  return { paymentIntentId, clientSecret: paymentClientSecret }
}

export function pay(story: Story, clientSecret: string, card: string): Promise<void> {
  return story.browser(`confirmCardPayment with ${card.replace(/(.{4})(?=.)/g, '$1 ')}`, {
    says: 'She types in a card that works.',
    run: async () => ({ ...(await story.stripeJs.confirmCardPayment(clientSecret, card)) }),
    expects: { status: 'succeeded' },
    means: 'Stripe has the money, and tells us by webhook.',
  })
}

interface Question {
  readonly says: string
  readonly expects: Fields
  readonly means: string
}

export async function paymentStatus(story: Story, id: string, question: Question): Promise<void> {
  await story.calls(reservations.getPaymentStatus, {
    ...question,
    params: { id },
    withinMs: settlesWithinMs,
    shows: ({ data: { reservationStatus, stripeStatus, paymentStatus, requiresAction, actionType } }) => ({
      reservationStatus,
      stripeStatus,
      paymentStatus,
      requiresAction,
      ...(actionType !== null && { actionType }),
    }),
  })
}

export const untilConfirmed = (story: Story, id: string): Promise<void> =>
  paymentStatus(story, id, {
    says: 'Is the booking complete?',
    expects: { reservationStatus: 'confirmed', stripeStatus: 'succeeded', paymentStatus: 'paid' },
    means: 'Confirmed and paid.',
  })

/** Seats move by message, a moment after the reservation. */
export async function untilSeats(
  story: Story,
  slot: string,
  expected: { held: number; booked: number },
  means: string,
) {
  const fits = async () => {
    const { held, booked } = await story.seats(slot)
    return held === expected.held && booked === expected.booked
  }
  await eventually('the seats are as expected', fits, settlesWithinMs).catch(() => {})
  const { held, booked } = await story.seats(slot)
  story.check(means, { held, booked }, expected)
}
