import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  admit,
  availableOf,
  type SeatState,
  seatsMoved,
  whenConfirmed,
  whenReacquired,
  whenReleased,
} from './time-slot.ts'

const outcomes = (capacity: number, parties: number[]) =>
  admit({ capacity, held: 0, booked: 0 }, parties).map((admission) => admission.outcome)

describe('parties that ask for seats of one slot', () => {
  test('are admitted in the order of their arrival', () => {
    expect(outcomes(4, [2, 2, 1])).toEqual(['allocated', 'allocated', 'slot_not_available'])
  })

  test('do not stand in the way of smaller ones', () => {
    expect(outcomes(5, [3, 4, 2])).toEqual(['allocated', 'slot_not_available', 'allocated'])
  })

  test('hear how many seats are left when there are too few for them', () => {
    const slot = { capacity: 10, held: 3, booked: 2 }
    expect(admit(slot, [4, 3])).toEqual([{ outcome: 'allocated' }, { outcome: 'not_enough_capacity', available: 1 }])
  })

  test('never get more seats than there are, and nobody is refused who would have fitted', () => {
    const slots = fc
      .tuple(fc.nat(50), fc.nat(50), fc.nat(50))
      .map(([held, booked, free]) => ({ capacity: held + booked + free, held, booked }))
    const parties = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 200 })
    fc.assert(
      fc.property(slots, parties, (slot, guests) => {
        const admissions = admit(slot, guests)
        let left = availableOf(slot)
        for (const [i, party] of guests.entries()) {
          expect(admissions[i]?.outcome === 'allocated').toBe(party <= left)
          if (party <= left) left -= party
        }
        expect(left).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

describe('seats', () => {
  const states: SeatState[] = ['held', 'booked', 'released']

  test('that are paid stay booked, whatever comes after', () => {
    expect(whenConfirmed('booked', false).state).toBe('booked')
    expect(whenReleased('booked').state).toBe('booked')
    expect(whenReacquired('booked', false).state).toBe('booked')
  })

  test('that were given back are taken again only if they are free', () => {
    for (const when of [whenConfirmed, whenReacquired]) {
      expect(when('released', true).state).toBe('booked')
      expect(when('released', false)).toEqual({ state: 'released', answer: 'refused' })
    }
  })

  test('are counted where they are, and nowhere else', () => {
    expect(seatsMoved('held', 'booked', 3)).toEqual({ held: -3, booked: 3 })
    expect(seatsMoved('held', 'released', 3)).toEqual({ held: -3, booked: 0 })
    expect(seatsMoved('released', 'booked', 3)).toEqual({ held: 0, booked: 3 })
    for (const state of states) expect(seatsMoved(state, state, 3)).toEqual({ held: 0, booked: 0 })
  })
})
