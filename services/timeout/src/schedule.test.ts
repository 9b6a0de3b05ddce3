import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { latenessMs, longestDelayMs, remainingMs, stepSeconds } from './schedule.ts'

const now = Date.parse('2026-01-01T12:00:00.000Z')
const dueIn = (ms: number, delaySeconds = 900) => ({ dueAt: new Date(now + ms).toISOString(), delaySeconds })

describe('what remains until a hold is due', () => {
  test.each([
    ['a hold that has just begun', 900_000, 900_000],
    ['one that is due now', 0, 0],
    ['one that is overdue', -5_000, 0],
    ['one further away than a broker can wait', longestDelayMs + 5_000, longestDelayMs],
  ])('of %s', (_, ms, remaining) => {
    expect(remainingMs(dueIn(ms), now)).toBe(remaining)
  })

  test('is never negative and never more than the delayed exchange can count', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
        const remaining = remainingMs(dueIn(ms), now)
        expect(remaining).toBeGreaterThanOrEqual(0)
        expect(remaining).toBeLessThan(2 ** 32)
        expect(latenessMs(dueIn(ms), now)).toBe(Math.max(-ms, 0))
      }),
    )
  })
})

describe('the queue in which a message waits', () => {
  test.each([
    ['the hold’s own when it has just begun', 899_980, 900],
    ['the hold’s own when its clock is ahead of ours', 905_000, 900],
    ['a nearer one when much of it has passed', 600_000, 512],
    ['the shortest when less than a second remains', 3, 1],
  ])('is %s', (_, remaining, seconds) => {
    expect(stepSeconds(dueIn(remaining), remaining)).toBe(seconds)
  })

  test('step by step leads to the end in a few steps, less than a second late', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400 }), fc.double({ min: 0, max: 1, noNaN: true }), (delay, passed) => {
        let remaining = Math.round(delay * 1_000 * (1 - passed))
        let steps = 0
        while (remaining > 0) {
          remaining -= stepSeconds(dueIn(remaining, delay), remaining) * 1_000
          steps += 1
        }
        expect(remaining).toBeGreaterThan(-1_001)
        expect(steps).toBeLessThan(20)
      }),
    )
  })
})
