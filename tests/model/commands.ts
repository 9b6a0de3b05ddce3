import type { ReservationStatus } from '@holdfast/contracts/values'
import { eventually } from '@holdfast/testing/facts'
import fc from 'fast-check'
import { readReservation } from '../support/situation.ts'
import { cards } from '../support/stripe-js.ts'
import { confirm, convert } from './converting.ts'
import { at, hold, release, repeat } from './holding.ts'
import { type Booking, type Intent, isGone, isShort, type Model, openIntent } from './model.ts'
import { changePrice, changeSlot, type SlotPatch } from './operating.ts'
import { authenticate, deliver, pay, payByHand, refund, resend } from './paying.ts'
import { list, read, readPaymentStatus, readSlot } from './reading.ts'
import { rest } from './rest.ts'
import { addCard, listCards, removeCard, setDefault, walletOf } from './wallet.ts'
import { count, type World } from './world.ts'

/** All that users, operators and Stripe may do, with how often each is tried. */

export type Command = fc.AsyncCommand<Model, World>

/** Numbers mean "the n-th of those there are then", so a sequence stays meaningful when a part of it is left out. */
type Act<Wish> = (model: Model, world: World, wish: Wish) => Promise<void>

function command<Wish>(
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

const pick = fc.nat({ max: 30 })
const price = fc.constantFrom(995, 3_333, 9_995, 10_000, 12_345, 33_333, 0)

interface ByUser {
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
function onBooking<More extends object>(
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

const lastOurs = ({ intents }: Booking): Intent | undefined => intents.filter(({ isOurs }) => isOurs).at(-1)
const endsSoon = (booking: Booking) => isShort(booking) && !isGone(booking)
const isActive = ({ status }: Booking) => status === 'held' || status === 'pending'
const paid = ({ intents }: Booking): Intent[] => intents.filter(({ status }) => status === 'succeeded')
const none = fc.constant({})

/** What guests do. `users` says who of them. */
export function guestCommands(users: fc.Arbitrary<number>): fc.WeightedArbitrary<Command>[] {
  const isForeign = fc.integer({ min: 0, max: 11 }).map((n) => n === 11)
  const byUser = fc.record({ user: users, pick: fc.oneof(fc.constant(0), pick), isForeign })
  const byOwner = byUser.map((who) => ({ ...who, isForeign: false }))
  const byOne = fc.record({ user: users, pick })
  const holdWish = fc.record({
    user: users,
    slot: fc.nat({ max: 2 }),
    guests: fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }) },
      { weight: 1, arbitrary: fc.constantFrom(6, 7) },
    ),
    isMixedUp: fc.integer({ min: 0, max: 19 }).map((n) => n === 19),
    key: fc.option(fc.nat({ max: 2 }), { freq: 2 }),
  })
  const convertWish = fc.record({
    card: fc.oneof(
      { weight: 6, arbitrary: fc.constant('new' as const) },
      { weight: 3, arbitrary: fc.constant('saved' as const) },
      { weight: 1, arbitrary: fc.constantFrom('unknown' as const, "somebody's" as const) },
    ),
    savesCard: fc.boolean(),
  })
  const payWish = fc.record({
    card: fc.constantFrom(
      ...[cards.success, cards.success, cards.declined, cards.insufficientFunds, cards.threeDSecure],
    ),
  })
  const outcome = fc.record({ outcome: fc.constantFrom('succeed' as const, 'succeed' as const, 'fail' as const) })
  const which = fc.record({ which: fc.constantFrom(...(['ours', 'ours', 'any', 'foreign', 'none'] as const)) })
  const status = fc.constantFrom<ReservationStatus>('held', 'pending', 'confirmed', 'expired', 'cancelled')
  const listWish = fc.record({
    user: users,
    statuses: fc.uniqueArray(status, { maxLength: 3 }),
    limit: fc.integer({ min: 1, max: 4 }),
    offset: fc.nat({ max: 3 }),
  })
  const savable = fc.constantFrom(...[cards.success, cards.threeDSecure, cards.declinesWhenCharged, cards.declined])
  const cardWish = fc.record({ user: users, number: savable, nickname: fc.constantFrom(null, 'work', 'home') })
  const cardOf = (model: Model, wish: { user: number; pick: number }) => {
    const name = at(model.users, wish.user)
    // Now and then the one of somebody else.
    const list =
      wish.pick % 7 === 6 ? model.users.flatMap((one) => walletOf(model, one).cards) : walletOf(model, name).cards
    return list.length > 0 ? at(list, wish.pick) : undefined
  }
  return [
    { weight: 9, arbitrary: command('hold', holdWish, (m, w, wish) => hold(m, w, at(m.users, wish.user), wish)) },
    { weight: 12, arbitrary: onBooking('convert', byUser, convertWish, convert, isActive) },
    { weight: 2, arbitrary: onBooking('convert any', byUser, convertWish, convert) },
    {
      weight: 12,
      arbitrary: onBooking('pay', byOwner, payWish, payLast, (booking) => openIntent(booking) !== undefined),
    },
    {
      weight: 2,
      arbitrary: onBooking('pay any', byOwner, payWish, payLast, (booking) => lastOurs(booking) !== undefined),
    },
    {
      weight: 6,
      arbitrary: onBooking(
        'authenticate',
        byOwner,
        outcome,
        async (m, w, _user, booking, wish) => {
          const intent = lastOurs(booking)
          if (intent) await authenticate(m, w, intent, booking, wish.outcome)
        },
        (booking) => lastOurs(booking)?.status === 'requires_action',
      ),
    },
    {
      weight: 5,
      arbitrary: onBooking('confirm', byUser, which, (m, w, user, b, wish) => confirm(m, w, user, b, wish.which)),
    },
    { weight: 3, arbitrary: onBooking('release', byUser, none, release) },
    { weight: 3, arbitrary: onBooking('read', byUser, none, (_m, w, user, booking) => read(w, user, booking)) },
    {
      weight: 3,
      arbitrary: onBooking('payment-status', byUser, none, (_m, w, user, b) => readPaymentStatus(w, user, b)),
    },
    {
      weight: 2,
      arbitrary: onBooking('wait for the end of', byOwner, none, (_m, w, _user, b) => untilEnd(w, b), endsSoon),
    },
    { weight: 2, arbitrary: command('list', listWish, (m, w, wish) => list(m, w, at(m.users, wish.user), wish)) },
    {
      weight: 3,
      arbitrary: command(
        'repeat',
        fc.record({ user: users, pick, isChanged: fc.boolean() }),
        (m, w, wish) => repeat(m, w, at(m.users, wish.user), wish.pick, wish.isChanged),
        (m, wish) => [...m.answers.keys()].some((scope) => scope.startsWith(`${at(m.users, wish.user)} `)),
      ),
    },
    {
      weight: 4,
      arbitrary: command('add card', cardWish, (m, w, { user, number, nickname }) =>
        addCard(m, w, at(m.users, user), number, nickname),
      ),
    },
    { weight: 2, arbitrary: command('list cards', byOne, (m, w, wish) => listCards(m, w, at(m.users, wish.user))) },
    {
      weight: 1,
      arbitrary: command('remove card', byOne, (m, w, wish) =>
        removeCard(m, w, at(m.users, wish.user), cardOf(m, wish)),
      ),
    },
    {
      weight: 1,
      arbitrary: command('default card', byOne, (m, w, wish) =>
        setDefault(m, w, at(m.users, wish.user), cardOf(m, wish)),
      ),
    },
  ]
}

async function payLast(model: Model, world: World, _user: string, booking: Booking, { card }: { card: string }) {
  const intent = lastOurs(booking)
  if (intent) await pay(model, world, intent, booking, card)
}

/** Its time comes, and it is seen how it ends. */
async function untilEnd(world: World, booking: Booking): Promise<void> {
  await eventually(
    `${booking.id} has ended`,
    async () => {
      const { status } = await readReservation(world.stack, booking.user, booking.id)
      return status !== 'held' && status !== 'pending'
    },
    20_000,
  )
  await read(world, booking.user, booking)
}

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
