import type { AllocationFacts, Booking, IntentFacts, PaymentFacts, RefundFacts, ReservationFacts } from './booking.ts'
import type { Databases } from './databases.ts'

/**
 * Bookings from the three databases, side by side. Each is walked in the order of the reservation's id, a page of each at a
 * time, so what only one of them knows is seen as well, and a database of any size takes a page's memory.
 */

type Where = 'of' | 'after'

const condition = (where: Where, column: string) =>
  where === 'of' ? `${column} = any($1::uuid[])` : `${column} > $1::uuid`

const reservationSql = (where: Where) => `
  select id, status, payment_status as "paymentStatus", payment, seats, number_of_guests as guests,
    time_slot_id as "timeSlotId", total_price as "totalPrice", currency, hold_expires_at as "holdExpiresAt",
    payment_intent_id as "paymentIntentId", captured_minor as "capturedMinor", refunds_due as "refundsDue", refunds,
    wake_at as "wakeAt",
    -- The row is touched by every repetition of a command; the timeline only by what happens.
    case when wake_at is null then updated_at
      else coalesce((select at from timeline t where t.reservation_id = r.id order by t.id desc limit 1), updated_at)
    end as "movedAt",
    clock_timestamp() as now
  from reservation r where ${condition(where, 'id')} order by r.id limit $2`

const allocationSql = (where: Where) => `
  select reservation_id as "reservationId", state, time_slot_id as "timeSlotId", guests, audit_at as "auditAt"
  from allocation where ${condition(where, 'reservation_id')} order by reservation_id limit $2`

const paymentSql = (where: Where) => `
  select id, reservation_id as "reservationId", state, close_at as "closeAt", created_at as "createdAt"
  from payment where ${condition(where, 'reservation_id')} order by reservation_id limit $2`

const intentSql = `
  select id, payment_id as "paymentId", status, amount_received as "amountReceivedMinor", currency,
    captured_at as "capturedAt", mismatch, refund_cause as "refundCause", updated_at as "updatedAt"
  from payment_intent where payment_id = any($1::uuid[]) order by created_at, id`

const refundSql = `
  select id, payment_intent_id as "paymentIntentId", cause, amount as "amountMinor", status, created_at as "createdAt"
  from refund where payment_intent_id = any($1::text[]) order by created_at, id`

type ReservationRow = ReservationFacts & { readonly now: Date }
type PaymentRow = Omit<PaymentFacts, 'intents'>
type IntentRow = Omit<IntentFacts, 'refunds'>

/** These reservations, as far as anybody knows them; asked in three databases at nearly the same moment. */
export async function readBookings(databases: Databases, ids: readonly string[]): Promise<Booking[]> {
  const values = [ids, ids.length]
  const [reservations, allocations, payments] = await Promise.all([
    databases.rows<ReservationRow>('reservation', reservationSql('of'), values),
    databases.rows<AllocationFacts>('inventory', allocationSql('of'), values),
    databases.rows<PaymentRow>('payment', paymentSql('of'), values),
  ])
  return assemble(databases, reservations, allocations, payments)
}

/** Every booking that any of the three knows, page by page. */
export async function* allBookings(databases: Databases, pageSize = 2_000): AsyncGenerator<Booking[]> {
  let after: string | undefined = '00000000-0000-0000-0000-000000000000'
  while (after !== undefined) {
    const values: readonly unknown[] = [after, pageSize]
    const [reservations, allocations, payments]: [ReservationRow[], AllocationFacts[], PaymentRow[]] =
      await Promise.all([
        databases.rows<ReservationRow>('reservation', reservationSql('after'), values),
        databases.rows<AllocationFacts>('inventory', allocationSql('after'), values),
        databases.rows<PaymentRow>('payment', paymentSql('after'), values),
      ])
    // A full page says nothing about what comes after its last row: that is as far as all three are known.
    const ends = [
      reservations.length === pageSize ? reservations.at(-1)?.id : undefined,
      allocations.length === pageSize ? allocations.at(-1)?.reservationId : undefined,
      payments.length === pageSize ? payments.at(-1)?.reservationId : undefined,
    ].filter((end) => end !== undefined)
    const upTo: string | undefined = ends.sort()[0]
    const isWithin = (id: string) => upTo === undefined || id <= upTo
    yield await assemble(
      databases,
      reservations.filter(({ id }) => isWithin(id)),
      allocations.filter(({ reservationId }) => isWithin(reservationId)),
      payments.filter(({ reservationId }) => isWithin(reservationId)),
    )
    after = upTo
  }
}

async function assemble(
  databases: Databases,
  reservations: readonly ReservationRow[],
  allocations: readonly AllocationFacts[],
  payments: readonly PaymentRow[],
): Promise<Booking[]> {
  const intentsOf = await readIntents(databases, payments)
  const reservationOf = new Map(reservations.map((row) => [row.id, row]))
  const allocationOf = new Map(allocations.map((row) => [row.reservationId, row]))
  const paymentOf = new Map(
    payments.map((row) => [row.reservationId, { ...row, intents: intentsOf.get(row.id) ?? [] }]),
  )
  const ids = new Set([...reservationOf.keys(), ...allocationOf.keys(), ...paymentOf.keys()])
  return [...ids].map((id) => {
    const reservation = reservationOf.get(id)
    const now = reservation?.now ?? new Date()
    return { id, now, reservation, allocation: allocationOf.get(id), payment: paymentOf.get(id) }
  })
}

async function readIntents(databases: Databases, payments: readonly PaymentRow[]): Promise<Map<string, IntentFacts[]>> {
  if (payments.length === 0) return new Map()
  const intents = await databases.rows<IntentRow>('payment', intentSql, [payments.map(({ id }) => id)])
  const paid = intents.filter(({ status }) => status === 'succeeded').map(({ id }) => id)
  const refunds = paid.length === 0 ? [] : await databases.rows<RefundFacts>('payment', refundSql, [paid])
  const refundsOf = Map.groupBy(refunds, ({ paymentIntentId }) => paymentIntentId)
  const complete = intents.map((intent) => ({ ...intent, refunds: refundsOf.get(intent.id) ?? [] }))
  return Map.groupBy(complete, ({ paymentId }) => paymentId)
}
