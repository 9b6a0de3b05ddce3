import { DomainError, Unavailable } from '../../libs/contracts/src/errors.ts'
import type { Random } from './random.ts'
import { bodyOf, type ReservationService } from './reservation.ts'
import { type Card, type PaymentIntent, shortId } from './stripe.ts'
import { savedCardId } from './tables-payment.ts'
import type { World } from './world.ts'

/** Somebody who wants seats, in no particular order of doing things and with an unreliable connection. */
export interface Visit {
  readonly userId: string
  readonly slotId: string
  readonly experienceId: string
  readonly guests: number
  /** Of the story; names the visit's idempotency keys. */
  readonly nth: number
  readonly holdSeconds: number
}

type Answered<T> = { readonly ok: T } | { readonly error: string; readonly again: boolean }

const clientPatienceMs = 8_000
const triesAtMost = 4

export async function visit(world: World, visit: Visit): Promise<void> {
  const { random } = world
  const { userId } = visit
  const body = { experienceId: visit.experienceId, timeSlotId: visit.slotId, numberOfGuests: visit.guests }
  const guest = { guestName: userId, guestEmail: `${userId}@example.com` }
  const hold = (key: string) =>
    insist(world, `${userId} holds ${visit.guests} by ${key}`, (service) =>
      service.hold(userId, key, { ...body, ...guest }),
    )
  // Of one user's holds of one slot only one is allowed; what another tab was given is left to its end.
  if (random.chance(0.15)) world.start(hold(`hold-${visit.nth}-too`))
  const held = await hold(`hold-${visit.nth}`)
  const id = reservationIdIn(held)
  if (id === undefined) return
  // From here on things are done side by side: two tabs, a phone, second thoughts.
  const lifeMs = visit.holdSeconds * 1_000
  const conversions = random.between(0, 3)
  for (let n = 0; n < conversions; n += 1)
    world.start(convert(world, userId, id, n, random.between(0, lifeMs * random.pick([0.3, 0.8, 1.1]))))
  if (random.chance(0.25)) world.start(release(world, userId, id, random.between(0, lifeMs * 1.2)))
  if (random.chance(0.3)) world.start(look(world, userId, id, random.between(0, lifeMs * 2)))
}

async function convert(world: World, userId: string, id: string, nth: number, afterMs: number): Promise<void> {
  const { random, clock } = world
  await clock.sleep(afterMs)
  const card = random.chance(0.3) ? random.pick(['good', 'declined', '3ds'] as const) : undefined
  const body = { holdId: id, paymentMethodId: card ? savedCardId(card) : null, savePaymentMethod: false }
  const what = `${userId} converts ${shortId(id)}${card ? ` with the saved card ${card}` : ''}`
  const converted = await insist(world, what, (service) => service.convert(userId, `convert-${id}-${nth}`, body))
  const intentId = intentIdIn(converted)
  if (intentId !== undefined) await pay(world, userId, id, intentId)
}

/** With Stripe.js, at once, late, or never, and perhaps with another card after the first. */
async function pay(world: World, userId: string, id: string, intentId: string): Promise<void> {
  const { random, clock, stripe } = world
  const intent = stripe.intents.get(intentId)
  if (!intent || random.chance(0.15)) return
  for (let tries = random.between(1, 2); tries > 0; tries -= 1) {
    await clock.sleep(closeToTheEnd(world, intent, 0.2) ?? hesitationMs(random))
    const card = random.pick<Card>(['good', 'good', 'declined', '3ds', 'slow', 'slow', 'slow'])
    if (!stripe.isPayable(intent)) {
      world.tell(`${userId} cannot pay ${intentId}: it is ${intent.status}`)
      continue
    }
    world.tell(`${userId} pays ${intentId} with the card ${card}`)
    world.stimulus()
    stripe.confirm(intent, card)
    if (card === '3ds' || card === 'slow') world.start(bankDecides(world, intent))
  }
  if (random.chance(0.5)) await attempt(world, `${userId} confirms`, (service) => service.confirm(userId, id, intentId))
}

async function bankDecides(world: World, intent: PaymentIntent): Promise<void> {
  const { random, clock, stripe } = world
  await clock.sleep(closeToTheEnd(world, intent, 0.8) ?? hesitationMs(random))
  // Whoever has to authenticate may never do so; the bank always decides.
  if (intent.status === 'requires_action' && random.chance(0.3)) return
  world.stimulus()
  stripe.decide(intent, random.chance(0.7) ? 'succeed' : 'fail')
}

/** Mostly seconds, sometimes past the end of any hold. */
const hesitationMs = (random: Random) =>
  random.chance(0.7) ? random.between(100, 15_000) : random.between(1_000, 300_000)

/**
 * Often the moment is one at which it matters who is first: at the end of the hold, or when the seats stop waiting for
 * Stripe, and a while after that, for then the seats are on their way back.
 */
function closeToTheEnd(world: World, intent: PaymentIntent, mostlyLate: number): number | undefined {
  const { random, clock, tables, settings } = world
  const reservation = tables.reservation.reservations.get(intent.reservationId)
  if (!reservation || random.chance(0.4)) return undefined
  const end = reservation.holdExpiresAt.getTime() + (random.chance(mostlyLate) ? settings.closeDeadlineMs : 0)
  return end + random.between(-1_500, random.pick([1_500, 30_000])) - clock.now()
}

async function release(world: World, userId: string, id: string, afterMs: number): Promise<void> {
  await world.clock.sleep(afterMs)
  await insist(world, `${userId} releases ${shortId(id)}`, (service) => service.release(userId, id))
}

async function look(world: World, userId: string, id: string, afterMs: number): Promise<void> {
  await world.clock.sleep(afterMs)
  await attempt(world, `${userId} looks at ${shortId(id)}`, (service) => service.paymentStatus(userId, id))
}

/** The same request again, until it is answered or the guest has had enough; some send it twice from the start. */
async function insist<T>(world: World, what: string, send: (service: ReservationService) => Promise<T>) {
  if (world.random.chance(0.2)) world.start(attempt(world, what, send))
  for (let tries = 1; ; tries += 1) {
    const answered = await attempt(world, what, send)
    if ('ok' in answered || !answered.again || tries === triesAtMost || world.random.chance(0.15)) return answered
    await world.clock.sleep(world.random.between(100, 6_000))
  }
}

async function attempt<T>(
  world: World,
  what: string,
  send: (service: ReservationService) => Promise<T>,
): Promise<Answered<T>> {
  const service = world.reservations.any()
  world.stimulus()
  const answered: Answered<T> = service
    ? await Promise.race([
        send(service).then(
          (ok) => ({ ok }),
          (error: unknown) => refusal(error),
        ),
        world.clock.sleep(clientPatienceMs).then(() => ({ error: 'no answer', again: true })),
      ])
    : { error: 'nobody there', again: true }
  world.tell(`${what}: ${'ok' in answered ? JSON.stringify(summary(answered.ok)) : answered.error}`)
  return answered
}

function refusal(error: unknown): { error: string; again: boolean } {
  if (!(error instanceof Error)) return { error: String(error), again: false }
  if (error instanceof Unavailable) return { error: `unavailable: ${error.message}`, again: true }
  if (!(error instanceof DomainError)) throw error
  return { error: error.code, again: error.code === 'IDEMPOTENCY_KEY_IN_USE' }
}

function summary(ok: unknown) {
  const { reservation, data } = bodyOf(ok) ?? {}
  if (data) return data.reservationStatus
  return reservation ? [shortId(reservation.id), reservation.status, reservation.paymentIntentId ?? ''].join(' ') : ok
}

const reservationIdIn = (answered: Answered<unknown>): string | undefined =>
  'ok' in answered ? bodyOf(answered.ok)?.reservation?.id : undefined
const intentIdIn = (answered: Answered<unknown>): string | undefined =>
  'ok' in answered ? (bodyOf(answered.ok)?.reservation?.paymentIntentId ?? undefined) : undefined
