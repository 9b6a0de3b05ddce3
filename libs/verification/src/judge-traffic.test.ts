import type { CallFacts, FailedFacts } from '@holdfast/contracts/facts'
import { expect, test } from '@jest/globals'
import { defaultBounds } from './booking.ts'
import { judgeSlot } from './judge-slot.ts'
import { judgeCall, judgeEvent, judgeFailed, judgeOutbox } from './judge-traffic.ts'

const now = '2026-11-23T12:00:00.000Z'
const ago = (seconds: number) => new Date(Date.parse(now) - seconds * 1_000).toISOString()
const reservationId = '5b0c2c52-2f3a-5b5e-8a43-6f1f6f0a9d01'

test.each([
  ['moving', { createdAt: ago(2), parkedAt: null }],
  ['drift', { createdAt: ago(31), parkedAt: null }],
  ['drift', { createdAt: ago(2), parkedAt: ago(1) }],
])('an outbox row, %s: %o', (standing, times) => {
  const row = { id: 'm', type: 'payment.captured.v1', reservationId, ...times }
  expect(judgeOutbox('payment', row, now, defaultBounds)).toMatchObject({ subject: reservationId, standing })
})

test.each<[string, string, Partial<FailedFacts>]>([
  ['will be tried again', 'moving: failed', { retryAt: ago(-30) }],
  ['nobody tries again', 'drift: failed', { retryAt: ago(61) }],
  ['is a dead letter', 'drift: dead-letter', { retryAt: null }],
  ['was said again, and handled', 'note: handled-since', { retryAt: null, handled: true }],
])('a failed message that %s', (_what, expected, changes) => {
  const failed = { id: 'm', type: 't', reservationId, reason: 'why', retryAt: null, firstAt: ago(90), handled: false }
  const { standing, kind } = judgeFailed('inventory', { ...failed, ...changes }, now, defaultBounds)
  expect(`${standing}: ${kind}`).toBe(expected)
})

test.each<[string, string, Partial<CallFacts>]>([
  ['was just made', 'moving', { retryAt: ago(-5) }],
  ['meets a Stripe that is away since a minute', 'moving', { tries: 14, createdAt: ago(60) }],
  ['meets a Stripe that is away for long', 'drift', { tries: 40, createdAt: ago(121) }],
  ['is an old key begun anew', 'moving', { tries: 1, createdAt: ago(9_000) }],
  ['nobody makes', 'drift', { retryAt: ago(31) }],
  ['Stripe refuses', 'drift', { problem: { kind: 'refused', code: 'resource_missing' }, retryAt: ago(-500) }],
])('a call to Stripe that %s: %s', (_what, standing, changes) => {
  const call = {
    key: `refund:late:pi_1`,
    operation: 'refunds.create',
    reservationId,
    problem: { kind: 'unknown', code: null },
    tries: 0,
    retryAt: ago(-1),
    createdAt: ago(5),
  }
  expect(judgeCall({ ...call, ...changes }, now, defaultBounds).standing).toBe(standing)
})

test.each([
  ['moving', 'parked', 10],
  ['drift', 'parked', 121],
  ['note', 'given_up', 90_000],
] as const)('an event about an intent that we do not know, %s when %s for %d s', (standing, state, seconds) => {
  const event = { id: 'evt_1', type: 'payment_intent.succeeded', paymentIntentId: 'pi_9', receivedAt: ago(seconds) }
  expect(judgeEvent({ ...event, state }, now, defaultBounds).standing).toBe(standing)
})

test.each([
  ['slot-sums', { held: 3, booked: 0, heldSum: 2, bookedSum: 0 }],
  ['oversold', { held: 2, booked: 4, heldSum: 2, bookedSum: 9 }],
])('a slot: %s', (kind, sums) => {
  expect(judgeSlot({ id: 's', capacity: 10, ...sums }, now)).toMatchObject([{ kind, standing: 'drift' }])
})

test('nothing is said of a slot that adds up', () => {
  expect(judgeSlot({ id: 's', capacity: 10, held: 4, booked: 6, heldSum: 4, bookedSum: 6 }, now)).toEqual([])
})
