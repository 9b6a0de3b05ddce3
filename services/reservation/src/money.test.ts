import type { Returned } from '@holdfast/contracts/messages/payment'
import { describe, expect, test } from '@jest/globals'
import { capture } from './booking.fixture.ts'
import { decisionsOf } from './money.ts'
import { aReservation, start } from './reservation.fixture.ts'
import type { Reservation } from './reservation.ts'

const reservationId = aReservation().id
const refund = { refundId: 're_1', amount: 15_000, reason: null, createdAt: start.toISOString() }
const external = (amountRefundedMinor: number): Returned => ({
  ...{ reservationId, paymentIntentId: 'pi_2', cause: 'external', capturedMinor: 15_000, amountRefundedMinor, refund },
})
const hears = (reservation: Reservation, facts: Omit<Parameters<typeof decisionsOf>[0], 'reservationId'>) =>
  decisionsOf({ reservationId, ...facts }).reduce((seen, decide) => decide(seen).reservation, reservation)

describe('a second payment that somebody else gave back, and whose refund a bank sends back', () => {
  const captures = [capture('pi_1'), capture('pi_2')]
  const confirmed = hears(aReservation({ payment: 'open', status: 'pending' }), {
    ...{ captures: [capture('pi_1')], returned: [external(15_000)], failed: [] },
  })
  const owed = [{ paymentIntentId: 'pi_2', reason: 'duplicate' }]

  test('is owed by us, although no message of it was ever heard', () => {
    const given = hears(confirmed, { captures, returned: [external(15_000)], failed: [] })
    expect(given).toMatchObject({ status: 'confirmed', refundsDue: [] })
    expect(hears(given, { captures, returned: [], failed: [external(0)] }).refundsDue).toEqual(owed)
  })

  test('is owed once, whatever of it was heard before', () => {
    const facts = { captures, returned: [], failed: [external(0)] }
    expect(hears(hears(confirmed, facts), facts).refundsDue).toEqual(owed)
    expect(hears(confirmed, { captures: [], returned: [], failed: facts.failed }).refundsDue).toEqual([])
    expect(hears(hears(confirmed, { ...facts, captures: [] }), facts).refundsDue).toEqual(owed)
  })
})
