import type { PaymentStatus, ReservationStatus } from '@holdfast/contracts/values'

/**
 * What the API should do, in a page: slots with seats and a price, bookings with a status and money, the answers to used
 * keys. It knows nothing of services and messages; where time or a message under way makes two answers right, it says both.
 */
export interface Model {
  /** Nobody else does anything meanwhile, so what is free is known. */
  readonly isAlone: boolean
  /** Stripe's events are held back, so that only what is asked for is heard of. */
  isCutOff: boolean
  readonly users: readonly string[]
  readonly slots: readonly Slot[]
  readonly bookings: Booking[]
  readonly wallets: Map<string, Wallet>
  /** By user, route and key. */
  readonly answers: Map<string, Answered>
}

export interface Experience {
  readonly id: string
  readonly holdSeconds: number
  readonly maxGuests: number
  pricePerGuest: number
}

export interface Slot {
  readonly id: string
  readonly experience: Experience
  readonly isEarly: boolean
  capacity: number
  isOpen: boolean
  pricePerGuest: number | null
  /** All that it ever had: with others about, a hold may have met any of them. */
  readonly prices: Set<number>
  readonly capacities: Set<number>
}

export interface Booking {
  readonly id: string
  readonly user: string
  readonly slot: Slot
  readonly guests: number
  readonly price: number
  readonly expiresAt: number
  /** As it was last seen. Confirmed, expired and cancelled are seen only when they are true. */
  status: ReservationStatus
  /** Payment was asked for, so that at the end of the hold the fence decides. */
  isConverted: boolean
  /** What its payment status may be while nothing has been paid. The last one is what it comes to. */
  progress: PaymentStatus[]
  readonly intents: Intent[]
  /** Everything said of it has arrived: there is but one right answer. */
  isAtRest: boolean
  /** Money came after it had expired. */
  wasLate: boolean
  reference: string | null
  /** Which of the paid intents pays for it, once that was seen. */
  paidBy: string | null
}

export interface Intent {
  readonly id: string
  readonly secret: string
  /** Made by the API; else somebody made it at Stripe. */
  readonly isOurs: boolean
  readonly amount: number
  status: 'requires_payment_method' | 'requires_action' | 'succeeded' | 'canceled'
  card: string | null
  savesCard: boolean
  /** Given back in the dashboard. */
  returned: number
}

export interface Wallet {
  cards: Card[]
  /** Cards that a payment was to save: they come any time, unless the guest removed that very card meanwhile. */
  readonly coming: Map<string, 'must' | 'may'>
}
export interface Card {
  readonly id: string
  readonly number: string
  nickname: string | null
  isDefault: boolean
}

export interface Answered {
  readonly body: string
  readonly status: number
  readonly answer: unknown
}

/** When it was asked and when it was answered, in epoch milliseconds. */
export interface Span {
  readonly from: number
  readonly to: number
}

export const priceNow = (slot: Slot): number => slot.pricePerGuest ?? slot.experience.pricePerGuest

export const discounts = [
  { type: 'group_5_plus', kind: 'group', minGuests: 3, percent: 15 },
  { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
] as const

/** Written down a second time, from the document rather than from the product. */
export function priceFor(slot: Slot, perGuest: number, guests: number) {
  const originalPrice = perGuest * guests
  const [group, early] = discounts
  const amount = (percent: number) => Math.round((originalPrice * percent) / 100)
  const groupDiscount = guests >= group.minGuests ? { amount: amount(group.percent), type: group.type } : null
  const earlyBirdDiscount = slot.isEarly ? { amount: amount(early.percent), type: early.type } : null
  const totalDiscount = (groupDiscount?.amount ?? 0) + (earlyBirdDiscount?.amount ?? 0)
  return {
    originalPrice,
    discountApplied: totalDiscount,
    totalPrice: originalPrice - totalDiscount,
    appliedDiscounts: { groupDiscount, earlyBirdDiscount, totalDiscount },
  }
}

export function isOver({ expiresAt }: Booking, { from, to }: Span): 'no' | 'maybe' | 'yes' {
  if (to < expiresAt) return 'no'
  return from >= expiresAt ? 'yes' : 'maybe'
}

/** Paid with the amount that was asked for. */
export const captures = ({ intents, price }: Booking): Intent[] =>
  intents.filter(({ status, amount }) => status === 'succeeded' && amount === price)
export const mismatches = ({ intents, price }: Booking): Intent[] =>
  intents.filter(({ status, amount }) => status === 'succeeded' && amount !== price)
/** The fence stands behind these: an intent of ours can be paid only while its seats are held. */
export const isSurelyPaid = (booking: Booking): boolean =>
  !isGone(booking) && captures(booking).some(({ isOurs }) => isOurs)
export const openIntent = ({ intents }: Booking): Intent | undefined =>
  intents.find(({ isOurs, status }) => isOurs && (status === 'requires_payment_method' || status === 'requires_action'))
export const isGone = ({ status }: Booking): boolean => status === 'expired' || status === 'cancelled'

/** So short that it ends within the run. */
export const isShort = ({ slot }: Booking): boolean => slot.experience.holdSeconds < 10

/** At least and at most this many seats are not free because of it. */
function seatsOf(booking: Booking, span: Span): [number, number] {
  const { status, guests, isAtRest } = booking
  if (isGone(booking)) return isAtRest ? [0, 0] : [0, guests]
  return status === 'confirmed' || isSurelyPaid(booking) || isOver(booking, span) === 'no'
    ? [guests, guests]
    : [0, guests]
}

interface Range {
  readonly least: number
  readonly most: number
}

/** What may be taken of a slot, by all bookings but one. With others about, anything may. */
export function taken(model: Model, slot: Slot, span: Span, but?: Booking): Range {
  if (!model.isAlone) return { least: 0, most: slot.capacity }
  const all = model.bookings.filter((booking) => booking.slot === slot && booking !== but)
  const seats = all.map((booking) => seatsOf(booking, span))
  const sum = (of: (range: [number, number]) => number) => seats.reduce((total, range) => total + of(range), 0)
  return { least: sum(([least]) => least), most: sum(([, most]) => most) }
}

/** What may be left of a slot. With others about, its capacity may be changed while somebody asks. */
export function left(model: Model, slot: Slot, span: Span): Range {
  const { least, most } = taken(model, slot, span)
  if (!model.isAlone) return { least: 0, most: Math.max(...slot.capacities) }
  return { least: slot.capacity - most, most: slot.capacity - least }
}

export interface View {
  readonly status: ReservationStatus
  readonly payment: readonly PaymentStatus[]
}

/** How a booking may look to its guest. */
export function viewsOf(booking: Booking, span: Span): View[] {
  const { status, isConverted } = booking
  const paid: View = { status: 'confirmed', payment: moneyOf(booking) }
  const hasMoney = captures(booking).length > 0
  const progress = booking.isAtRest ? booking.progress.slice(-1) : booking.progress
  switch (status) {
    case 'confirmed':
      return [paid]
    case 'cancelled':
      return [{ status, payment: hasMoney ? [...progress, ...returning] : progress }]
    case 'expired':
      return [
        { status, payment: hasMoney ? [...progress, ...returning] : progress },
        ...(hasMoney && !booking.isAtRest ? [paid] : []),
      ]
    case 'held':
    case 'pending': {
      const over = isOver(booking, span)
      const mayExpire = over !== 'no' && !isSurelyPaid(booking)
      return [
        ...(over !== 'yes' ? [{ status, payment: progress }] : []),
        ...(over !== 'no' && isConverted ? [{ status: 'pending', payment: ['processing'] } as const] : []),
        ...(mayExpire
          ? [{ status: 'expired', payment: hasMoney ? [...progress, ...returning] : progress } as const]
          : []),
        ...(hasMoney ? [paid] : []),
      ]
    }
  }
}

const returning: readonly PaymentStatus[] = ['paid', 'partially_refunded', 'refunded']

/** What its payment status may be when it is confirmed: what was given back may not be known yet. */
function moneyOf(booking: Booking): PaymentStatus[] {
  if (booking.price === 0) return ['paid']
  const paying = captures(booking).filter(({ id }) => booking.paidBy === null || booking.paidBy === id)
  const statuses = paying.flatMap(({ returned, amount }): PaymentStatus[] => {
    if (returned === 0) return ['paid']
    const now = returned < amount ? 'partially_refunded' : 'refunded'
    return booking.isAtRest ? [now] : ['paid', 'partially_refunded', now]
  })
  return [...new Set(statuses)]
}
