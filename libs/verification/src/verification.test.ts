import type { AllocationFacts, PaymentFacts, SlotFacts, Which } from '@holdfast/contracts/facts'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { defaultBounds, type ReservationFacts } from './booking.ts'
import type { ServiceTraffic } from './judge-traffic.ts'
import { type Report, type Sources, verify } from './verification.ts'

/** Walking in stretches, and looking twice, over records in memory. */

const now = '2026-11-23T12:00:00.000Z'
const long = '2026-11-23T10:00:00.000Z'

interface Records {
  reservations: ReservationFacts[]
  allocations: AllocationFacts[]
  payments: PaymentFacts[]
  slots: SlotFacts[]
  failed: string[]
}
const nothing: Records = { reservations: [], allocations: [], payments: [], slots: [], failed: [] }

/** At its end: drift as soon as anybody has seats for it. */
const aReservation = (id: string): ReservationFacts => ({
  id,
  status: 'expired',
  paymentStatus: 'unpaid',
  payment: 'none',
  seats: 'released',
  guests: 1,
  timeSlotId: id,
  totalPrice: 0,
  currency: 'usd',
  holdExpiresAt: long,
  paymentIntentId: null,
  capturedMinor: null,
  refundsDue: [],
  refunds: [],
  wakeAt: null,
  movedAt: long,
})
const anAllocation = (reservationId: string): AllocationFacts => ({
  reservationId,
  state: 'booked',
  timeSlotId: reservationId,
  guests: 1,
  slotExists: true,
  auditAt: long,
})
const aPayment = (reservationId: string): PaymentFacts => ({
  reservationId,
  state: 'open',
  closeAt: null,
  createdAt: long,
  intents: [],
})
const aSlot = (id: string): SlotFacts => ({ id, capacity: 2, held: 0, booked: 1, heldSum: 0, bookedSum: 0 })

function pageOf<Row>(rows: readonly Row[], idOf: (row: Row) => string, which: Which): Row[] {
  const sorted = rows.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  if ('of' in which) return sorted.filter((row) => which.of.includes(idOf(row)))
  return sorted.filter((row) => idOf(row) > which.after).slice(0, which.limit)
}

/** `records` are as they are at the moment of each question. */
const sourcesOf = (records: () => Records): Sources => ({
  reservations: async (which) => ({ now, reservations: pageOf(records().reservations, ({ id }) => id, which) }),
  seats: async (which) => ({
    now,
    allocations: pageOf(records().allocations, ({ reservationId }) => reservationId, which),
    slots: pageOf(records().slots, ({ id }) => id, which),
  }),
  payments: async (which) => ({
    now,
    payments: pageOf(records().payments, ({ reservationId }) => reservationId, which),
  }),
  traffic: async () => [
    {
      service: 'inventory',
      traffic: {
        now,
        outbox: [],
        failed: records().failed.map((reservationId) => ({
          ...{ id: reservationId, type: 't', reservationId, reason: 'why' },
          ...{ retryAt: null, firstAt: long, handled: false },
        })),
      },
    } satisfies ServiceTraffic,
  ],
})

const options = { bounds: defaultBounds, pageSize: 3, pause: async () => {} }
const all = { after: undefined, mostBookings: Number.MAX_SAFE_INTEGER, isTimeUp: () => false }
const said = ({ findings }: Pick<Report, 'findings'>) =>
  findings.map(({ subject, kind, standing }) => `${standing}: ${kind} ${subject}`).sort()

describe('a walk in stretches', () => {
  const Ids = fc.uniqueArray(fc.uuid(), { maxLength: 12 })
  /** Whoever knows whatever: each service forgets what it likes. */
  const Known = fc.record({ reservations: Ids, allocations: Ids, payments: Ids, slots: Ids }).chain((own) =>
    Ids.map((shared) => ({
      ...nothing,
      reservations: [...new Set([...own.reservations, ...shared])].map(aReservation),
      allocations: [...new Set([...own.allocations, ...shared])].map(anAllocation),
      payments: [...new Set([...own.payments, ...shared])].map(aPayment),
      slots: [...new Set([...own.slots, ...shared])].map(aSlot),
    })),
  )
  const Steps = fc.record({
    pageSize: fc.integer({ min: 1, max: 5 }),
    mostBookings: fc.integer({ min: 1, max: 8 }),
    isTimeUp: fc.func(fc.boolean()),
  })

  test('finds what one look at everything finds, each thing once, and comes to an end', async () => {
    await fc.assert(
      fc.asyncProperty(Known, Steps, async (records, { pageSize, mostBookings, isTimeUp }) => {
        const sources = sourcesOf(() => records)
        const whole = await verify(sources, all, { ...options, pageSize: 1_000 })
        expect(whole.next).toBeNull()
        const stretches: Report[] = []
        let after: string | undefined
        do {
          const stretch = await verify(sources, { after, mostBookings, isTimeUp }, { ...options, pageSize })
          if (stretch.next !== null && after !== undefined) expect(stretch.next > after).toBe(true)
          stretches.push(stretch)
          after = stretch.next ?? undefined
        } while (after !== undefined)
        expect(stretches.flatMap(said).sort()).toEqual(said(whole))
        const sum = (number: (report: Report) => number) => stretches.reduce((total, each) => total + number(each), 0)
        expect(sum(({ reservations }) => reservations.expired ?? 0)).toBe(records.reservations.length)
        expect(sum(({ seats }) => seats.slots)).toBe(records.slots.length)
      }),
      { numRuns: 300 },
    )
  })

  test('what is on its way is told by the first stretch alone', async () => {
    const sources = sourcesOf(() => ({ ...nothing, failed: ['x'] }))
    const later = '10000000-0000-4000-8000-000000000000'
    expect(said(await verify(sources, all, options))).toEqual(['drift: dead-letter x'])
    expect(said(await verify(sources, { ...all, after: later }, options))).toEqual([])
  })
})

describe('the second look', () => {
  const id = '5b0c2c52-2f3a-5b5e-8a43-6f1f6f0a9d01'
  const other = '6b0c2c52-2f3a-5b5e-8a43-6f1f6f0a9d01'
  const wrong = { ...nothing, reservations: [aReservation(id)], allocations: [anAllocation(id)] }

  /** One set of records until the first pause, then the next, and so on. */
  function during(...moments: readonly Records[]) {
    let moment = 0
    const pause = async () => {
      moment += 1
    }
    const sources = sourcesOf(() => moments[Math.min(moment, moments.length - 1)] ?? nothing)
    return verify(sources, all, { ...options, pause })
  }

  test('says what both have seen', async () => {
    expect(said(await during(wrong))).toEqual([`drift: seats ${id}`])
  })

  test('takes back what was over by then', async () => {
    const right = { ...wrong, allocations: [] }
    expect(said(await during(wrong, right))).toEqual([])
    expect(said(await during(wrong, wrong, right))).toEqual([])
  })

  test('calls moving what has begun since, and does not look at others', async () => {
    const gone = { ...nothing, allocations: [anAllocation(id), anAllocation(other)] }
    expect(said(await during(wrong, gone))).toEqual([`moving: seats-without-reservation ${id}`])
  })

  test('is a look at what is on its way as well', async () => {
    const failed = { ...nothing, failed: [id] }
    expect(said(await during(failed, { ...nothing, failed: [id, other] }))).toEqual([
      `drift: dead-letter ${id}`,
      `drift: dead-letter ${other}`,
    ])
    expect(said(await during(failed, nothing))).toEqual([])
  })
})
