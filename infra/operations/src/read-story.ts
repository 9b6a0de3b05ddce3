import type { Booking } from '@holdfast/verification/booking'
import { type Databases, databaseNames } from './databases.ts'
import { type Known, possibleMessages } from './message-ids.ts'
import { details, type Line, notBefore } from './story.ts'

/** Everything the three databases have on record about one booking, as lines. No column with a secret is ever read. */

interface Row {
  readonly at: Date
  readonly [column: string]: unknown
}

const timelineSql = `
  select at, type, from_status, to_status, details from timeline where reservation_id = $1 order by id`
const holdSql = `
  select created_at as at, number_of_guests, total_price, currency, hold_expires_at from reservation where id = $1`
const tombstoneSql = `
  select created_at as at from reservation_id i
  where id = $1 and not exists (select from reservation r where r.id = i.id)`
const allocationSql = `
  select allocated_at as at, guests, time_slot_id from allocation where reservation_id = $1 and allocated_at is not null`
const paymentSql = `
  select created_at as at, amount, currency, revision from payment where reservation_id = $1`
const attemptSql = `
  select a.created_at as at, a.attempt, a.answer->>'outcome' as outcome, a.answer->>'declineCode' as decline_code
  from payment_attempt a join payment p on p.id = a.payment_id where p.reservation_id = $1 order by a.attempt`
const callSql = `
  select created_at as at, updated_at, key, operation, state, tries, generation, problem->>'kind' as problem,
    problem->>'code' as code
  from stripe_call where reservation_id = $1 order by created_at, key`
const eventSql = `
  select received_at as at, id, type, state, payment_intent_id from stripe_event where payment_intent_id = any($1::text[])
  order by received_at`
const inboxSql = `select received_at as at, id, type from inbox where id = any($1::uuid[])`
const outboxSql = `
  select created_at as at, id, routing_key as type, tries, parked_at from outbox where envelope->>'correlationid' = $1`
const failedSql = `
  select last_at as at, id, type, left(reason, 300) as reason, tries, deliveries, retry_at from failed_message
  where envelope->>'correlationid' = $1`

export async function readStory(databases: Databases, booking: Booking): Promise<Line[]> {
  const { id, payment } = booking
  const [hold, ...lines] = await Promise.all([
    readHold(databases, id),
    readPayment(databases, id),
    intentLines(booking),
    readMessages(databases, id),
  ])
  const intentIds = payment?.intents.map((intent) => intent.id) ?? []
  const [row] = await databases.rows<{ revision: number }>('payment', paymentSql, [id])
  const known: Known = {
    reservationId: id,
    holdExpiresAt: booking.reservation?.holdExpiresAt,
    intentIds,
    refundIds: payment?.intents.flatMap(({ refunds }) => refunds.map((refund) => refund.id)) ?? [],
    revision: row?.revision ?? 0,
  }
  return [...(await readInbox(databases, known)), ...hold, ...lines.flat(), ...(await readEvents(databases, intentIds))]
}

async function readHold(databases: Databases, id: string): Promise<Line[]> {
  const [reservations, tombstones, allocations, timeline] = await Promise.all([
    databases.rows<Row>('reservation', holdSql, [id]),
    databases.rows<Row>('reservation', tombstoneSql, [id]),
    databases.rows<Row>('inventory', allocationSql, [id]),
    databases.rows<Row>('reservation', timelineSql, [id]),
  ])
  return [
    ...allocations.map(
      ({ at, ...row }): Line => ({ at, where: 'inventory', what: 'seats allocated', details: details(row) }),
    ),
    ...reservations.map(({ at, hold_expires_at, ...row }): Line => {
      const until = hold_expires_at instanceof Date ? hold_expires_at.toISOString() : ''
      return { at, where: 'reservation', what: 'written', details: `${details(row)} held_until=${until}` }
    }),
    ...tombstones.map(
      ({ at }): Line => ({ at, where: 'reservation', what: 'tombstone: it never came to be, and never will' }),
    ),
    ...timeline.map(({ at, type, from_status, to_status, details: said }): Line => {
      const moved = from_status === to_status ? `${to_status}` : `${from_status ?? 'nothing'} → ${to_status}`
      return { at, where: 'reservation', what: `${type} (${moved})`, details: details(said) }
    }),
  ]
}

async function readPayment(databases: Databases, id: string): Promise<Line[]> {
  const [payments, attempts, calls] = await Promise.all([
    databases.rows<Row>('payment', paymentSql, [id]),
    databases.rows<Row>('payment', attemptSql, [id]),
    databases.rows<Row>('payment', callSql, [id]),
  ])
  return [
    ...payments.map(({ at, amount, currency }): Line => {
      const what = amount === null ? 'closed before it was ever opened' : 'payment asked for'
      return { at, where: 'payment', what, details: details({ amount, currency }) }
    }),
    ...attempts.map(
      ({ at, attempt, ...row }): Line => ({
        at,
        where: 'payment',
        what: `answered attempt ${attempt}`,
        details: details(row),
      }),
    ),
    ...calls.flatMap(({ at, updated_at, operation, key, state, ...row }): Line[] => [
      { at, where: 'payment', what: `ordered ${operation}`, details: `key=${key}` },
      ...(updated_at instanceof Date && (state !== 'pending' || row.tries !== 0)
        ? [
            {
              at: updated_at,
              where: 'stripe' as const,
              what: `${operation}: ${state}`,
              details: `${details(row)} key=${key}`,
            },
          ]
        : []),
    ]),
  ]
}

function intentLines({ payment }: Booking): Line[] {
  return (payment?.intents ?? []).flatMap((intent): Line[] => {
    const { id, status, amountReceivedMinor, currency, capturedAt, mismatch, updatedAt, refunds } = intent
    const received = `${id} received=${amountReceivedMinor} ${currency}`
    return [
      ...(capturedAt
        ? [{ at: new Date(capturedAt), where: 'payment' as const, what: 'captured', details: received }]
        : []),
      ...(mismatch
        ? [
            {
              at: new Date(updatedAt),
              where: 'payment' as const,
              what: `paid with another ${mismatch}`,
              details: received,
            },
          ]
        : []),
      ...(status === 'canceled'
        ? [{ at: new Date(updatedAt), where: 'payment' as const, what: 'intent cancelled', details: id }]
        : []),
      ...refunds.map((refund): Line => {
        const { createdAt, amountMinor, cause, status } = refund
        return {
          at: notBefore(createdAt, capturedAt),
          where: 'stripe',
          what: `refund ${refund.id}`,
          details: details({ of: id, amountMinor, cause, status }),
        }
      }),
    ]
  })
}

async function readEvents(databases: Databases, intentIds: readonly string[]): Promise<Line[]> {
  const events = await databases.rows<Row>('payment', eventSql, [intentIds])
  return events.map(({ at, id, type, state, payment_intent_id: about }) => ({
    at,
    where: 'payment',
    what: `webhook ${type}: ${state}`,
    details: `${about} ${id}`,
  }))
}

async function readInbox(databases: Databases, known: Known): Promise<Line[]> {
  const ids = [...possibleMessages(known).keys()]
  const heard = databaseNames.map(async (where) =>
    (await databases.rows<Row>(where, inboxSql, [ids])).map(
      ({ at, type, id }): Line => ({ at, where, what: `heard ${type}`, details: `${id}` }),
    ),
  )
  return (await Promise.all(heard)).flat()
}

async function readMessages(databases: Databases, id: string): Promise<Line[]> {
  const found = databaseNames.map(async (where) => {
    const [outbox, failed] = await Promise.all([
      databases.rows<Row>(where, outboxSql, [id]),
      databases.rows<Row>(where, failedSql, [id]),
    ])
    return [
      ...outbox.map(({ at, type, parked_at, ...row }): Line => {
        const fate = parked_at ? 'PARKED: the broker kept refusing it' : 'not published yet'
        return { at, where, what: `says ${type}: ${fate}`, details: details(row) }
      }),
      ...failed.map(({ at, type, retry_at, ...row }): Line => {
        const fate = retry_at instanceof Date ? `failed, again at ${retry_at.toISOString()}` : 'DEAD LETTER'
        return { at, where, what: `${type}: ${fate}`, details: details(row) }
      }),
    ]
  })
  return (await Promise.all(found)).flat()
}
