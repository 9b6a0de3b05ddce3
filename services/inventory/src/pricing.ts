import type { AppliedDiscounts, Discount, Price } from '@holdfast/contracts/values'

/** What a price is made of, as it was when the seats were allocated. Pure: the same terms, the same price. */
export interface Terms {
  /** Minor units. */
  readonly pricePerGuest: number
  readonly discounts: readonly Discount[]
  /** Epoch milliseconds. */
  readonly startsAt: number
  readonly allocatedAt: number
}

const dayMs = 86_400_000

/**
 * Each discount is a percentage of the original price, rounded half up. Together they are capped at that price: the early
 * bird, which comes last, is cut to what the group discount has left, so that the amounts add up.
 */
export function priceOf(terms: Terms, guests: number): Price {
  const originalPrice = terms.pricePerGuest * guests
  const leadMs = terms.startsAt - terms.allocatedAt
  const group = terms.discounts.find((rule) => rule.kind === 'group' && guests >= rule.minGuests)
  // A lead of exactly that many 24-hour days is enough.
  const early = terms.discounts.find((rule) => rule.kind === 'early_bird' && leadMs >= rule.minLeadDays * dayMs)

  const groupDiscount = discountOf(group, originalPrice, originalPrice)
  const earlyBirdDiscount = discountOf(early, originalPrice, originalPrice - amountOf(groupDiscount))
  const totalDiscount = amountOf(groupDiscount) + amountOf(earlyBirdDiscount)
  return {
    originalPrice,
    discountApplied: totalDiscount,
    totalPrice: originalPrice - totalDiscount,
    appliedDiscounts: { groupDiscount, earlyBirdDiscount, totalDiscount },
  }
}

type Applied = AppliedDiscounts['groupDiscount']

function discountOf(rule: Discount | undefined, originalPrice: number, atMost: number): Applied {
  if (!rule) return null
  return { amount: Math.min(percentOf(originalPrice, rule.percent), atMost), type: rule.type }
}

const amountOf = (discount: Applied): number => discount?.amount ?? 0

/** Half up, in integers: 99,999,999 × 10,000 guests × 100 stays far below 2⁵³. */
function percentOf(amount: number, percent: number): number {
  return Math.floor((amount * percent + 50) / 100)
}
