/**
 * `npm run smoke -- <gateway url>`: does a stack that was just started or deployed do what it is for? Each step is made
 * through the API as a client would; exit code 1 at the first that fails. What it made it takes off the catalogue again.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import * as facts from '@holdfast/testing/facts'
import { findSurroundings, usage } from './smoke/surroundings.ts'
import { apiAt } from './support/api.ts'
import { cards, stripeJs } from './support/stripe-js.ts'

type Surroundings = Awaited<ReturnType<typeof findSurroundings>>

const guest = 'alice'
const operator = 'operator'
const dayMs = 86_400_000
/** A hold's end must be seen this long after it: the sweep's second, and a busy machine. */
const expiryPatienceMs = 10_000
/** A real gateway counts requests: two runs in a minute, each looking every 20 ms, would be turned away. */
const lookEveryMs = 250

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      issuer: { type: 'string' },
      stripe: { type: 'string' },
      'publishable-key': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return void process.stdout.write(usage)
  if (positionals.length > 1) throw new Error(`One gateway at a time, not "${positionals.join('" and "')}".\n${usage}`)
  const around = await findSurroundings(positionals[0], values, process.env)
  process.stdout.write(`Smoke test of ${around.gatewayUrl}\n`)
  const startedAt = Date.now()
  await walkThrough(around)
  process.stdout.write(`All is well (${((Date.now() - startedAt) / 1_000).toFixed(1)} s).\n`)
}

async function walkThrough(around: Surroundings): Promise<void> {
  await step('health', () => isReady(around.gatewayUrl))
  const tokens = await step(
    'token',
    async () =>
      new Map([
        [guest, await around.token(guest)],
        [operator, await around.token(operator)],
      ]),
  )
  const api = apiAt(around.gatewayUrl, async (user) => tokens.get(user) ?? around.token(user))
  const browser = stripeJs(around.stripeUrl, around.publishableKey)
  const made: string[] = []

  /** An experience with one slot; its hold lasts as long as is said. */
  const offer = async (holdSeconds: number) => {
    const title = `Smoke test ${new Date().toISOString()}`
    const body = { title, timeZone: 'UTC', pricePerGuest: 1_000, holdSeconds }
    const { experience } = await api.ok(catalog.createExperience, { as: operator, body })
    made.push(experience.id)
    const startsAt = Date.now() + 40 * dayMs
    const slot = { startsAt: iso(startsAt), endsAt: iso(startsAt + 3_600_000), capacity: 4 }
    const params = { id: experience.id }
    const { timeSlot } = await api.ok(catalog.createTimeSlot, { as: operator, params, body: slot })
    return { experienceId: experience.id, timeSlotId: timeSlot.id }
  }
  const hold = async (where: { experienceId: string; timeSlotId: string }) => {
    const body = { ...where, numberOfGuests: 2, guestName: 'Smoke Test', guestEmail: 'smoke@example.com' }
    return (await api.ok(reservations.createHold, { as: guest, body })).reservation
  }
  const convert = async (holdId: string, key: string) => {
    const answer = await api.ok(reservations.convertHold, { as: guest, body: { holdId }, key })
    const { paymentIntentId } = answer.reservation
    if (!paymentIntentId || !answer.paymentClientSecret) throw new Error('a priced hold has nothing to pay')
    return { paymentIntentId, clientSecret: answer.paymentClientSecret }
  }
  const pay = async (clientSecret: string) => {
    const { status, error } = await browser.confirmCardPayment(clientSecret, cards.success)
    expect('the card payment', status ?? error?.message, 'succeeded')
  }
  const paymentOf = async (id: string) =>
    (await api.ok(reservations.getPaymentStatus, { as: guest, params: { id } })).data
  const seats = async (id: string) => (await api.ok(catalog.getTimeSlot, { as: guest, params: { id } })).timeSlot

  try {
    const shop = await step('catalogue', async () => {
      const made = await offer(900)
      const { id } = (await api.ok(catalog.getExperience, { as: guest, params: { id: made.experienceId } })).experience
      expect('the experience', id, made.experienceId)
      const found = await api.ok(catalog.listTimeSlots, { as: guest, params: { id }, query: { guests: 2 } })
      expect('the price for two', found.timeSlots[0]?.price?.totalPrice, 2_000)
      return made
    })
    const booked = await step('hold', async () => {
      const held = await hold(shop)
      expect('the total price', held.totalPrice, 2_000)
      expect('seats held', (await seats(shop.timeSlotId)).held, 2)
      return held
    })
    const payment = await step('card payment', async () => {
      const opened = await convert(booked.id, randomUUID())
      await pay(opened.clientSecret)
      return opened
    })
    await step('confirm', async () => {
      const body = { reservationId: booked.id, paymentIntentId: payment.paymentIntentId }
      const { reservation } = await api.ok(reservations.confirmReservation, { as: guest, body })
      expect('the payment', reservation.paymentStatus, 'paid')
      await eventually('the seats are booked', async () => (await seats(shop.timeSlotId)).booked === 2)
    })
    await step('list', async () => {
      const query = { status: 'confirmed', limit: 20 }
      const listed = await api.ok(reservations.listReservations, { as: guest, query })
      if (!listed.reservations.some(({ id }) => id === booked.id)) throw new Error(`${booked.id} is not in the list`)
    })
    await step('payment-status', async () => {
      const { reservationStatus, stripeStatus, paymentStatus } = await paymentOf(booked.id)
      const all = `${reservationStatus} ${stripeStatus} ${paymentStatus}`
      expect('what it says', all, 'confirmed succeeded paid')
    })
    await step('decline and retry', async () => {
      const key = randomUUID()
      const { id } = await hold(shop)
      const first = await convert(id, `${key}-convert`)
      const { error } = await browser.confirmCardPayment(first.clientSecret, cards.declined)
      expect('the declined card', error?.code, 'card_declined')
      // Only the webhook tells of a decline: this is also the proof that Stripe reaches the gateway.
      await eventually('the payment has failed', async () => (await paymentOf(id)).paymentStatus === 'failed')
      await pay((await convert(id, `${key}-convert-2`)).clientSecret)
      await eventually('confirmed', async () => (await paymentOf(id)).reservationStatus === 'confirmed')
    })
    await step('expiry of a 2-second hold', async () => {
      const brief = await offer(2)
      const { id } = await hold(brief)
      const released = async () => (await seats(brief.timeSlotId)).held === 0
      await eventually('the seats are free again', released, 2_000 + expiryPatienceMs)
      const { reservation } = await api.ok(reservations.getReservation, { as: guest, params: { id } })
      expect('the reservation', reservation.status, 'expired')
      const late = await api.fails(reservations.convertHold, { as: guest, body: { holdId: id } })
      expect('converting it', late.body.error, 'HOLD_EXPIRED')
    })
  } finally {
    for (const id of made) {
      const archived = { as: operator, params: { id }, body: { status: 'archived' } }
      await api.ok(catalog.updateExperience, archived).catch(() => {})
    }
  }
}

async function isReady(gatewayUrl: string): Promise<void> {
  const look = async () => {
    const response = await fetch(new URL('/health/ready', gatewayUrl), { signal: AbortSignal.timeout(5_000) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    return true
  }
  await eventually('the gateway is ready', look, 30_000)
}

function eventually<T>(what: string, look: () => Promise<T | undefined | false>, withinMs = 10_000): Promise<T> {
  return facts.eventually(what, look, withinMs, lookEveryMs)
}

async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const took = () => `${Math.round(performance.now() - startedAt)} ms`
  try {
    const result = await work()
    process.stdout.write(`  ✓ ${name} (${took()})\n`)
    return result
  } catch (error) {
    process.stdout.write(`  ✗ ${name} (${took()})\n`)
    throw error
  }
}

function expect(what: string, is: unknown, wanted: unknown): void {
  if (is !== wanted) throw new Error(`${what} should be ${JSON.stringify(wanted)} and is ${JSON.stringify(is)}`)
}

const iso = (ms: number) => new Date(ms).toISOString()

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message} (${reasonOf(error.cause)})`
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exitCode = 1
}
