import { type Booking, captures, type Span, type View, viewsOf } from './model.ts'

/** What was seen of a booking must be one of its views; from then on the model goes by that. */
export function observe(booking: Booking, seen: { status: string; paymentStatus: string }, span: Span): void {
  const views = viewsOf(booking, span)
  const view = views.find((one) => one.status === seen.status && one.payment.some((p) => p === seen.paymentStatus))
  if (!view) {
    const right = views.map(({ status, payment }) => `${status} (${payment.join('|')})`).join(' or ')
    throw new Error(`${booking.id} is seen ${seen.status} (${seen.paymentStatus}); right would be: ${right}`)
  }
  settle(booking, view.status)
}

export function settle(booking: Booking, status: View['status']): void {
  if (status === booking.status || status === 'pending' || status === 'held') return
  if (status === 'expired') for (const intent of booking.intents) cancelOpen(intent)
  booking.status = status
  booking.isAtRest = false
}

export function cancelOpen(intent: Booking['intents'][number]): void {
  if (intent.isOurs && intent.status !== 'succeeded') intent.status = 'canceled'
}

/** Seen to be paid by this intent. */
export function pays(booking: Booking, intentId: string): void {
  if (!captures(booking).some(({ id }) => id === intentId))
    throw new Error(`${booking.id} is said to be paid by ${intentId}, which has not paid it`)
  if (booking.paidBy !== null && booking.paidBy !== intentId)
    throw new Error(`${booking.id} was paid by ${booking.paidBy} and now is by ${intentId}`)
  booking.paidBy = intentId
}
