import { type Reservation, refundsMade } from '../../services/reservation/src/reservation.ts'
import { BrokenPromise } from './promises.ts'
import { type PaymentIntent, shortId } from './stripe.ts'
import type { World } from './world.ts'

/** What must be true when all is quiet. Returns what is not. */
export function checkEnding(world: World): void {
  const wrong = [...reservationsLeft(world), ...seatsLeft(world), ...moneyLeft(world), ...workLeft(world)]
  if (wrong.length > 0) throw new BrokenPromise(`at the end: ${wrong.join('; ')}`)
}

function* reservationsLeft({ tables }: World): Iterable<string> {
  for (const reservation of tables.reservation.reservations.all()) {
    const { id, status, payment, seats, refundsDue, wakeAt } = reservation
    const name = shortId(id)
    if (status === 'held' || status === 'pending') yield `${name} is ${status} for ever`
    if (seats !== (status === 'confirmed' ? 'booked' : 'released')) yield `${name} is ${status}, its seats ${seats}`
    if (!['none', 'closed', 'captured'].includes(payment)) yield `the payment of ${name} is ${payment}`
    if (refundsDue.length > 0) yield `${name} waits for a refund`
    if (wakeAt !== null) yield `${name} (${status}, payment ${payment}) is to be woken, and nobody does`
  }
}

function* seatsLeft({ tables }: World): Iterable<string> {
  const { allocations, slots } = tables.inventory
  for (const { reservationId, state, guests } of allocations.all()) {
    const reservation = tables.reservation.reservations.get(reservationId)
    const isConfirmed = reservation?.status === 'confirmed'
    if (state === 'held') yield `seats of ${shortId(reservationId)} are held for ever`
    if ((state === 'booked') !== isConfirmed)
      yield `${shortId(reservationId)} has ${state} seats: ${reservation?.status}`
    if (isConfirmed && guests !== reservation.numberOfGuests) yield `${shortId(reservationId)} has ${guests} seats`
  }
  for (const { id, held } of slots.all()) if (held > 0) yield `slot ${shortId(id)} has ${held} held seats`
}

/** Every payment has its seats, or went back; and who was told so was told the truth. */
function* moneyLeft({ tables, stripe }: World): Iterable<string> {
  const { reservations } = tables.reservation
  for (const intent of stripe.intents.values()) {
    const reservation = reservations.get(intent.reservationId)
    if (!reservation) yield `${intent.id} belongs to no reservation`
    if (intent.status === 'succeeded') yield* moneyOf(intent, reservation)
    else if (intent.status !== 'canceled' && !intent.isOrphan && reservation?.status !== 'confirmed')
      yield `${intent.id} of the ${reservation?.status} ${shortId(intent.reservationId)} can still be paid`
  }
  for (const { id, status, totalPrice, paymentIntentId } of reservations.all()) {
    const isPaid = stripe.intents.get(paymentIntentId ?? '')?.status === 'succeeded'
    if (status === 'confirmed' && totalPrice > 0 && !isPaid) yield `${shortId(id)} is confirmed without its money`
  }
}

function* moneyOf(intent: PaymentIntent, reservation: Reservation | undefined): Iterable<string> {
  const { id, amount, refunded } = intent
  const paysSeats = reservation?.status === 'confirmed' && reservation.paymentIntentId === id
  if (!paysSeats && refunded !== amount) yield `${id} was paid for nothing: ${refunded} of ${amount} refunded`
  const told = refundsMade(reservation?.refunds ?? []).filter(({ paymentIntentId }) => paymentIntentId === id)
  const toldMinor = told.reduce((sum, refund) => sum + refund.amount, 0)
  if (toldMinor !== refunded) yield `of ${id} ${refunded} went back, its reservation says ${toldMinor}`
  if (reservation?.paymentIntentId !== id) return
  const expected = refunded === 0 ? 'paid' : refunded === amount ? 'refunded' : 'partially_refunded'
  if (reservation.paymentStatus !== expected) yield `${id} is ${expected}, and said to be ${reservation.paymentStatus}`
}

function* workLeft({ tables, servers }: World): Iterable<string> {
  for (const name of Object.keys(servers) as (keyof typeof servers)[]) {
    const { outbox, failed } = tables[name].messaging
    for (const row of outbox.all()) yield `${name} still has ${row.routingKey} in its outbox`
    for (const row of failed.all()) yield `${name} failed at ${row.type}: ${row.reason}`
  }
  for (const { key, state } of tables.payment.calls.all()) if (state === 'pending') yield `the call ${key} is pending`
  for (const { id, state } of tables.payment.events.all()) if (state === 'parked') yield `the event ${id} is parked`
  for (const { reservationId, state } of tables.payment.payments.all())
    if (state === 'closing') yield `the payment of ${shortId(reservationId)} is being closed for ever`
  for (const { reservationId, auditAt } of tables.payment.payments.all())
    if (auditAt !== null) yield `nobody has heard of the money of ${shortId(reservationId)}`
}
