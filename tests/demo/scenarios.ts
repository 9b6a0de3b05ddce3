import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { cards } from '../support/stripe-js.ts'
import * as steps from './steps.ts'
import type { Story } from './story.ts'

/** The flow document's five test scenarios. */
export interface Scenario {
  readonly title: string
  readonly plot: string
  tell(story: Story): Promise<void>
}

export const scenarios: readonly Scenario[] = [
  { title: 'Happy Path', plot: 'Hold → Convert → Payment Success → Confirmed', tell: happyPath },
  { title: 'Expired Hold', plot: 'Wait until the hold is over → Try to convert → Get error', tell: expiredHold },
  { title: 'Payment Retry', plot: 'Payment fails → Retry with same hold → Success', tell: paymentRetry },
  { title: 'Duplicate Request', plot: 'Same idempotency key → Get cached response', tell: duplicateRequest },
  { title: '3D Secure', plot: 'Card 4000002500003155 → Complete auth → Success', tell: threeDSecure },
]

async function happyPath(story: Story): Promise<void> {
  const key = randomUUID()
  const { holdId, timeSlotId } = await steps.hold(story, { key })
  await story.calls(payments.listPaymentMethods, {
    says: 'Has she paid here before?',
    shows: ({ data }) => ({ cards: data.length }),
    expects: { cards: 0 },
    means: 'No card is saved, so she will give a new one.',
  })
  const { paymentIntentId, clientSecret } = await steps.convert(story, holdId, `${key}-convert`)
  await steps.pay(story, clientSecret, cards.success)
  await steps.untilConfirmed(story, holdId)
  await story.calls(reservations.confirmReservation, {
    says: 'Her browser asks for the confirmation as well; whoever comes first, it is one and the same.',
    body: { reservationId: holdId, paymentIntentId },
    shows: ({ reservation, payment }) => ({
      status: reservation.status,
      paymentStatus: reservation.paymentStatus,
      reservationReference: reservation.reservationReference,
      payment: payment.status,
    }),
    expects: { status: 'confirmed', paymentStatus: 'paid', payment: 'captured' },
    means: 'She has a reference to show at the pier.',
  })
  await steps.untilSeats(
    story,
    timeSlotId,
    { held: 0, booked: 2 },
    'Her two seats are booked, and no longer just held.',
  )
}

async function expiredHold(story: Story): Promise<void> {
  const holdSeconds = 1
  const key = randomUUID()
  const { holdId, holdExpiresAt, timeSlotId } = await steps.hold(story, { key, holdSeconds })
  story.say(`\n   She hesitates for ${holdSeconds} s, which stands for the 15 minutes here …`)
  await sleep(Math.max(0, Date.parse(holdExpiresAt) - Date.now()))
  await story.isRefused(reservations.convertHold, {
    says: 'Now she would like to pay.',
    body: { holdId },
    // By the clock of the database, which may be a little behind ours.
    withinMs: 2_000,
    expects: { status: 400, error: 'HOLD_EXPIRED' },
    means: 'Too late: the hold is over, no payment was begun, and her front end sends her back to the start.',
  })
  await steps.untilSeats(story, timeSlotId, { held: 0, booked: 0 }, 'The seats went back on sale by themselves.')
}

async function paymentRetry(story: Story): Promise<void> {
  const key = randomUUID()
  const { holdId, holdExpiresAt } = await steps.hold(story, { key })
  const first = await steps.convert(story, holdId, `${key}-convert`)
  await story.browser('confirmCardPayment with 4000 0000 0000 0002', {
    says: 'She pays with a card that her bank declines.',
    run: async () => {
      const { error } = await story.stripeJs.confirmCardPayment(first.clientSecret, cards.declined)
      return { code: error?.code, message: error?.message }
    },
    expects: { code: 'card_declined' },
    means: 'Stripe.js tells her at once.',
  })
  await story.calls(reservations.getReservation, {
    says: 'What has become of her hold?',
    params: { id: holdId },
    withinMs: 10_000,
    shows: ({ reservation: { status, paymentStatus, holdExpiresAt } }) => ({ status, paymentStatus, holdExpiresAt }),
    expects: { status: 'pending', paymentStatus: 'failed', holdExpiresAt },
    means: 'It stands: the payment failed, the seats are still hers, and the timer has not moved.',
  })
  const second = await steps.convert(story, holdId, `${key}-convert-2`)
  story.check(
    'The same hold and the same payment intent: nothing was begun twice.',
    { paymentIntentId: second.paymentIntentId },
    { paymentIntentId: first.paymentIntentId },
  )
  await steps.pay(story, second.clientSecret, cards.success)
  await steps.untilConfirmed(story, holdId)
}

async function duplicateRequest(story: Story): Promise<void> {
  const key = randomUUID()
  const { holdId, timeSlotId, body } = await steps.hold(story, { key })
  await story.calls(reservations.createHold, {
    says: 'Her connection broke off before the answer came, and her front end sends the very same again.',
    ...{ key, body },
    shows: ({ reservation: { id, status } }, headers) => ({
      id,
      status,
      'Idempotent-Replayed': headers.get('idempotent-replayed'),
    }),
    expects: { id: holdId, status: 'held', 'Idempotent-Replayed': 'true' },
    means: 'The stored answer, with the same hold: nothing was run again.',
  })
  await steps.untilSeats(story, timeSlotId, { held: 2, booked: 0 }, 'Two seats are held, not four.')
  await story.isRefused(reservations.createHold, {
    says: 'The same key, but for five guests?',
    ...{ key, body: { ...body, numberOfGuests: 5 } },
    expects: { status: 422, error: 'IDEMPOTENCY_KEY_REUSED' },
    means: 'A key stands for one request; another request is never answered with its result.',
  })
  await story.calls(reservations.releaseHold, {
    says: 'She changes her mind.',
    params: { id: holdId },
    shows: ({ reservation }) => ({ status: reservation.status }),
    expects: { status: 'cancelled' },
    means: 'Nobody has to wait for the timer.',
  })
}

async function threeDSecure(story: Story): Promise<void> {
  const key = randomUUID()
  const { holdId } = await steps.hold(story, { key })
  const { paymentIntentId, clientSecret } = await steps.convert(story, holdId, `${key}-convert`)
  await story.browser('confirmCardPayment with 4000 0025 0000 3155', {
    says: 'Her bank wants to know that it is really her.',
    run: async () => ({ ...(await story.stripeJs.confirmCardPayment(clientSecret, cards.threeDSecure)) }),
    expects: { status: 'requires_action' },
    means: 'Not paid yet: Stripe.js opens the window of her bank.',
  })
  await steps.paymentStatus(story, holdId, {
    says: 'Meanwhile the front end asks where the payment stands.',
    expects: { reservationStatus: 'pending', stripeStatus: 'requires_action', requiresAction: true },
    means: 'It knows that the guest has something to do; the hold keeps her seats.',
  })
  await story.browser('3D Secure in the window of the bank', {
    says: 'She authenticates.',
    run: async () => {
      await story.stripeJs.authenticate(paymentIntentId, 'succeed')
      return { outcome: 'succeed' }
    },
    expects: { outcome: 'succeed' },
    means: 'The bank is satisfied; Stripe takes the money and tells us by webhook.',
  })
  await steps.untilConfirmed(story, holdId)
}
