import type { ReservationStatus } from '@holdfast/contracts/values'
import { eventually } from '@holdfast/testing/facts'
import fc from 'fast-check'
import { readReservation } from '../support/situation.ts'
import { cards } from '../support/stripe-js.ts'
import { type Command, command, none, onBooking, pick } from './commands.ts'
import { confirm } from './confirming.ts'
import { convert } from './converting.ts'
import { at, hold, release, repeat } from './holding.ts'
import { type Booking, type Intent, isGone, isShort, type Model, openIntent } from './model.ts'
import { authenticate, pay } from './paying.ts'
import { list, read, readPaymentStatus } from './reading.ts'
import { addCard, listCards, removeCard, setDefault, walletOf } from './wallet.ts'
import type { World } from './world.ts'

const lastOurs = ({ intents }: Booking): Intent | undefined => intents.filter(({ isOurs }) => isOurs).at(-1)
const endsSoon = (booking: Booking) => isShort(booking) && !isGone(booking)
const isActive = ({ status }: Booking) => status === 'held' || status === 'pending'

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
