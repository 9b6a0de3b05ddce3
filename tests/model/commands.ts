import fc from 'fast-check'
import { at } from './holding.ts'
import type { Booking, Intent, Model } from './model.ts'
import { changePrice, changeSlot, type SlotPatch } from './operating.ts'
import { deliver, payByHand, refund, resend } from './paying.ts'
import { readSlot } from './reading.ts'
import { rest } from './rest.ts'
import { count, type World } from './world.ts'

/** All that users, operators and Stripe may do, with how often each is tried. */

export type Command = fc.AsyncCommand<Model, World>

/** Numbers mean "the n-th of those there are then", so a sequence stays meaningful when a part of it is left out. */
type Act<Wish> = (model: Model, world: World, wish: Wish) => Promise<void>

export function command<Wish>(
  name: string,
  wishes: fc.Arbitrary<Wish>,
  act: Act<Wish>,
  isPossible: (model: Model, wish: Wish) => boolean = () => true,
): fc.Arbitrary<Command> {
  return wishes.map((wish) => ({
    check: (model) => isPossible(model as Model, wish),
    run: async (model, world) => {
      count(world.counts.byCommand, name)
      await act(model, world, wish)
    },
    toString: () => `${name} ${JSON.stringify(wish)}`,
  }))
}

export const pick = fc.nat({ max: 30 })
const price = fc.constantFrom(995, 3_333, 9_995, 10_000, 12_345, 33_333, 0)

export interface ByUser {
  readonly user: number
  readonly pick: number
  /** Of somebody else. */
  readonly isForeign: boolean
}
type Fits = (booking: Booking) => boolean

/** Of those that fit: the newest are the most interesting. */
function chosen(model: Model, wish: ByUser, fits: Fits): { user: string; booking: Booking } | undefined {
  const user = at(model.users, wish.user)
  const bookings = model.bookings.filter((booking) => (booking.user !== user) === wish.isForeign && fits(booking))
  return bookings.length > 0 ? { user, booking: at(bookings.toReversed(), wish.pick) } : undefined
}

/** By a user, about one of the bookings that fit. */
export function onBooking<More extends object>(
  name: string,
  byUser: fc.Arbitrary<ByUser>,
  more: fc.Arbitrary<More>,
  act: (model: Model, world: World, user: string, booking: Booking, wish: ByUser & More) => Promise<void>,
  fits: Fits = () => true,
) {
  return command<ByUser & More>(
    name,
    fc.tuple(byUser, more).map(([who, rest]) => ({ ...who, ...rest })),
    async (model, world, wish) => {
      const found = chosen(model, wish, fits)
      if (found) await act(model, world, found.user, found.booking, wish)
    },
    (model, wish) => chosen(model, wish, fits) !== undefined,
  )
}

const paid = ({ intents }: Booking): Intent[] => intents.filter(({ status }) => status === 'succeeded')
export const none = fc.constant({})

/** What is done in Stripe's dashboard with the bookings of these users. */
export function dashboardCommands(users: fc.Arbitrary<number>): fc.WeightedArbitrary<Command>[] {
  const byOwner = fc.record({ user: users, pick, isForeign: fc.constant(false) })
  const refundWish = fc.record({ isPart: fc.boolean() })
  const byHandWish = fc.record({ isWrongAmount: fc.integer({ min: 0, max: 3 }).map((n) => n === 3) })
  const isPaid = (booking: Booking) => paid(booking).length > 0
  const isPayable = ({ intents, price: due }: Booking) => due > 0 && intents.some(({ isOurs }) => isOurs)
  return [
    {
      weight: 2,
      arbitrary: command(
        'send again',
        fc.record({ pick }),
        (m, w, wish) => resend(m, w, wish.pick),
        (m) => m.bookings.some(({ intents }) => intents.length > 0),
      ),
    },
    {
      weight: 5,
      arbitrary: onBooking(
        'give back',
        byOwner,
        refundWish,
        (_m, w, _user, b, wish) => refund(w, b, at(paid(b), wish.pick), wish.isPart),
        isPaid,
      ),
    },
    {
      weight: 3,
      arbitrary: onBooking(
        'pay by hand for',
        byOwner,
        byHandWish,
        (m, w, _user, b, wish) => payByHand(m, w, b, wish.isWrongAmount),
        isPayable,
      ),
    },
  ]
}

/** How Stripe's events come: late, several times, in any order, or not at all until `rest`. */
export function deliveryCommands(): fc.WeightedArbitrary<Command>[] {
  const mode = fc.oneof(
    fc.record({ hold: fc.constant(true) }),
    fc.record({ delayMs: fc.constantFrom(0, 50, 300), duplicate: fc.nat({ max: 2 }), shuffle: fc.boolean() }),
  )
  return [{ weight: 2, arbitrary: command('deliver events', mode, (m, w, wish) => deliver(m, w, wish)) }]
}

/** What the operator does. */
export function operatorCommands(): fc.WeightedArbitrary<Command>[] {
  const slot = fc.nat({ max: 2 })
  const patch: fc.Arbitrary<SlotPatch> = fc.oneof(
    fc.record({ capacity: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ status: fc.constantFrom('open' as const, 'open' as const, 'closed' as const) }),
    fc.record({ pricePerGuest: fc.option(price, { nil: null }) }),
  )
  const lookWish = fc.record({ slot, guests: fc.integer({ min: 1, max: 6 }) })
  const slotOf = (model: Model, wish: { slot: number }) => at(model.slots, wish.slot)
  return [
    {
      weight: 2,
      arbitrary: command('look at slot', lookWish, (m, w, wish) => readSlot(m, w, slotOf(m, wish), wish.guests)),
    },
    {
      weight: 3,
      arbitrary: command('change slot', fc.record({ slot, patch }), (m, w, wish) =>
        changeSlot(m, w, slotOf(m, wish), wish.patch),
      ),
    },
    {
      weight: 1,
      arbitrary: command('change price', fc.record({ slot, price }), (m, w, wish) =>
        changePrice(m, w, slotOf(m, wish), wish.price),
      ),
    },
  ]
}

export const restCommand = (): fc.WeightedArbitrary<Command> => ({
  weight: 1,
  arbitrary: command('rest', none, (model, world) => rest(model, world)),
})
