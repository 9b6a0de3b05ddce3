import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { priceOf, type Terms } from './pricing.ts'

const day = 86_400_000
const allocatedAt = Date.parse('2026-01-01T12:00:00.000Z')
const group = (minGuests: number, percent: number) =>
  ({ type: 'group_5_plus', kind: 'group', minGuests, percent }) as const
const earlyBird = (minLeadDays: number, percent: number) =>
  ({ type: 'early_bird', kind: 'early_bird', minLeadDays, percent }) as const

const terms = (change: Partial<Terms> = {}): Terms => ({
  pricePerGuest: 10_000,
  discounts: [group(2, 15), earlyBird(30, 10)],
  startsAt: allocatedAt + 60 * day,
  allocatedAt,
  ...change,
})

describe('a price', () => {
  test('is that of the flow document for two guests at 10,000', () => {
    expect(priceOf(terms(), 2)).toEqual({
      originalPrice: 20_000,
      discountApplied: 5_000,
      totalPrice: 15_000,
      appliedDiscounts: {
        groupDiscount: { amount: 3_000, type: 'group_5_plus' },
        earlyBirdDiscount: { amount: 2_000, type: 'early_bird' },
        totalDiscount: 5_000,
      },
    })
  })

  test('has null for a discount that does not apply', () => {
    const price = priceOf(terms({ discounts: [group(5, 15)] }), 4)
    expect(price.appliedDiscounts).toEqual({ groupDiscount: null, earlyBirdDiscount: null, totalDiscount: 0 })
    expect(price.totalPrice).toBe(40_000)
  })

  test('counts days of 24 hours: a lead of exactly that many is enough, a millisecond less is not', () => {
    const early = (lead: number) => priceOf(terms({ startsAt: allocatedAt + lead }), 1).appliedDiscounts
    expect(early(30 * day).earlyBirdDiscount?.amount).toBe(1_000)
    expect(early(30 * day - 1).earlyBirdDiscount).toBeNull()
    expect(early(-day).earlyBirdDiscount).toBeNull()
  })

  test.each([
    [50, 1, 1],
    [49, 1, 0],
    [3, 50, 2],
    [1, 50, 1],
  ])('rounds half up: of %i, %i percent are %i', (pricePerGuest, percent, amount) => {
    const discounts = [group(1, percent)]
    expect(priceOf(terms({ pricePerGuest, discounts }), 1).discountApplied).toBe(amount)
  })

  test('is never less than nothing: the discount that comes last is cut', () => {
    expect(priceOf(terms({ discounts: [group(1, 80), earlyBird(1, 50)] }), 1)).toMatchObject({
      totalPrice: 0,
      discountApplied: 10_000,
      appliedDiscounts: { groupDiscount: { amount: 8_000 }, earlyBirdDiscount: { amount: 2_000 } },
    })
  })

  test('always adds up, whatever the rules', () => {
    const percent = fc.integer({ min: 1, max: 100 })
    const rules = fc.record({
      group: fc.option(fc.tuple(fc.integer({ min: 1, max: 20 }), percent)),
      early: fc.option(fc.tuple(fc.integer({ min: 1, max: 90 }), percent)),
    })
    const guests = fc.integer({ min: 1, max: 10_000 })
    const pricePerGuest = fc.integer({ min: 0, max: 99_999_999 })
    fc.assert(
      fc.property(
        pricePerGuest,
        guests,
        rules,
        fc.integer({ min: -10, max: 100 }),
        (pricePerGuest, guests, rule, days) => {
          const discounts = [
            ...(rule.group ? [group(...rule.group)] : []),
            ...(rule.early ? [earlyBird(...rule.early)] : []),
          ]
          const price = priceOf(terms({ pricePerGuest, discounts, startsAt: allocatedAt + days * day }), guests)
          const { groupDiscount, earlyBirdDiscount, totalDiscount } = price.appliedDiscounts
          const amounts = [groupDiscount?.amount ?? 0, earlyBirdDiscount?.amount ?? 0]
          expect(price.originalPrice).toBe(pricePerGuest * guests)
          expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBe(totalDiscount)
          expect(price.discountApplied).toBe(totalDiscount)
          expect(price.totalPrice).toBe(price.originalPrice - totalDiscount)
          expect(Math.min(price.totalPrice, ...amounts)).toBeGreaterThanOrEqual(0)
          expect([price.totalPrice, ...amounts].every(Number.isSafeInteger)).toBe(true)
          expect(groupDiscount !== null).toBe(rule.group !== null && guests >= rule.group[0])
          expect(earlyBirdDiscount !== null).toBe(rule.early !== null && days >= rule.early[0])
        },
      ),
    )
  })
})
