import * as reservations from '@holdfast/contracts/routes/reservations'
import { expect } from '@jest/globals'
import { type Booking, captures, type Intent, isOver, isSurelyPaid, type Model, type Span } from './model.ts'
import { pays, settle } from './observe.ts'
import { type Allowed, ask, follow, nothing, type World } from './world.ts'

/** The client says that it has paid. */
export async function confirm(
  model: Model,
  world: World,
  user: string,
  booking: Booking,
  which: 'ours' | 'any' | 'foreign' | 'none',
): Promise<void> {
  const foreign = model.bookings.filter((other) => other !== booking).flatMap(({ intents }) => intents)
  const own = which === 'any' ? booking.intents.at(-1) : booking.intents.find(({ isOurs }) => isOurs)
  const intent = which === 'ours' || which === 'any' ? own : undefined
  const paymentIntentId = intent?.id ?? (which === 'foreign' ? foreign[0]?.id : undefined) ?? 'pi_none'
  const { answer, span } = await ask(world, reservations.confirmReservation, {
    as: user,
    body: { reservationId: booking.id, paymentIntentId },
  })
  if (booking.user !== user) return follow(answer, { RESERVATION_NOT_FOUND: nothing })
  follow(answer, intent ? ownAnswers(booking, intent, span) : otherAnswers(booking, span))
}

/** None of its own intents: nothing of it is looked at. */
function otherAnswers(booking: Booking, span: Span): Allowed {
  if (!booking.isConverted || booking.price === 0) {
    const over = isOver(booking, span)
    const isHeld = booking.status === 'held'
    return {
      INVALID_HOLD_STATUS: (isHeld ? over !== 'yes' : booking.status !== 'expired') && nothing,
      HOLD_EXPIRED: (isHeld ? over !== 'no' : booking.status === 'expired') && (() => settle(booking, 'expired')),
    }
  }
  // Whether a conversion at its end was begun at all is not known.
  const mayNotBe = isOver(booking, span) !== 'no' && !booking.intents.some(({ isOurs }) => isOurs)
  return {
    PAYMENT_PROCESSING_FAILED: ({ details }) => expect(details).toEqual({ reason: 'unknown_intent' }),
    HOLD_EXPIRED: mayNotBe && nothing,
  }
}

interface Confirmed {
  readonly reservation: { reservationReference: string; paymentStatus: string }
}

function ownAnswers(booking: Booking, intent: Intent, span: Span): Allowed {
  const over = isOver(booking, span)
  const isPaid = captures(booking).includes(intent)
  const reasons: unknown[] = []
  if (!intent.isOurs) reasons.push({ reason: 'unknown_intent' })
  if (intent.status === 'succeeded' && !isPaid) reasons.push({ reason: 'amount_mismatch' })
  if (isPaid && (captures(booking).length > 1 || !intent.isOurs))
    reasons.push({ reason: 'already_paid_with_another_intent' })
  if (!isPaid && over !== 'no' && captures(booking).length > 0)
    reasons.push({ reason: 'already_paid_with_another_intent' })
  // What is over, or paid by another, is cancelled in a while.
  const mayBeCanceled = over !== 'no' || captures(booking).length > 0
  if (intent.status !== 'succeeded')
    reasons.push({ stripeStatus: intent.status }, ...(mayBeCanceled ? [{ stripeStatus: 'canceled' }] : []))
  return {
    ok:
      isPaid &&
      booking.status !== 'cancelled' &&
      (({ reservation, ...rest }: Confirmed) => {
        settle(booking, 'confirmed')
        pays(booking, intent.id)
        expect({ reservation, ...rest }).toMatchObject({
          reservation: {
            id: booking.id,
            status: 'confirmed',
            reservationReference: expect.stringMatching(/^[A-Z0-9]{12}$/),
          },
          payment: { status: 'captured', chargeId: expect.stringMatching(/^ch_/) },
        })
        booking.reference ??= reservation.reservationReference
        expect(reservation.reservationReference).toBe(booking.reference)
      }),
    PAYMENT_PROCESSING_FAILED: reasons.length > 0 && (({ details }) => expect(reasons).toContainEqual(details)),
    HOLD_EXPIRED:
      !isSurelyPaid(booking) &&
      booking.status !== 'confirmed' &&
      (isPaid || booking.status === 'expired' || over !== 'no') &&
      nothing,
  }
}
