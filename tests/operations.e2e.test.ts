import { randomUUID } from 'node:crypto'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { manage, vhostOf } from '@holdfast/testing/management'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Command, runCommand, runIn } from './support/command.ts'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  untilSeats,
  untilStatus,
} from './support/situation.ts'
import { startTestStack, type TestStack } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** The commands of whoever is on call, run as they run them: as programs, against a stack that runs. */

let stack: TestStack
let guest: string
beforeAll(async () => {
  stack = await startTestStack()
  guest = aUser()
}, 120_000)
afterAll(() => stack?.stop(), 60_000)

const run = (command: Command, ...args: string[]) => runCommand(stack, command, ...args)

interface Finding {
  readonly subject: string
  readonly kind: string
  readonly standing: string
}
async function driftOf(...args: string[]): Promise<string[]> {
  const { code, out } = await run('verify', '--json', ...args)
  const { findings } = JSON.parse(out) as { findings: Finding[] }
  const drift = findings.filter(({ standing }) => standing === 'drift')
  expect(code).toBe(drift.length > 0 ? 1 : 0)
  return drift.map(({ subject, kind }) => `${subject} ${kind}`).sort()
}

/** Corrupts, looks, and puts right again. */
async function whileWrong<T>(
  database: 'inventory' | 'payment',
  wrong: string,
  right: string,
  id: string,
  look: () => Promise<T>,
) {
  await stack.rows(database, wrong, [id])
  try {
    return await look()
  } finally {
    await stack.rows(database, right, [id])
  }
}

describe('verify', () => {
  test('bookings of every kind are as promised, against Stripe as well', async () => {
    await aConfirmedReservation(stack, guest)
    await aHold(stack, guest)
    await aPendingReservation(stack, guest)
    const { id } = await aHold(stack, guest)
    await stack.api.ok(reservations.releaseHold, { as: guest, params: { id } })
    const short = await aPendingReservation(stack, guest, await anOffer(stack, { experience: { holdSeconds: 1 } }))
    await untilStatus(stack, guest, short.id, 'expired')
    const { code, out } = await run('verify', '--stripe', '--wait', '20')
    expect(out).toContain('Everything is as promised.')
    expect(out).toMatch(/1 cancelled · 1 confirmed · 1 expired · 1 held · 1 pending/)
    expect(out).toMatch(/usd, minor units: \d+ captured · 0 given back/)
    expect(code).toBe(0)
  }, 60_000)

  test('seats that were let go under a confirmed reservation are told by reservation and slot', async () => {
    const offer = await anOffer(stack)
    const { id } = await aConfirmedReservation(stack, guest, offer)
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    const state = (to: string) => `update allocation set state = '${to}' where reservation_id = $1`
    const drift = await whileWrong('inventory', state('released'), state('booked'), id, () => driftOf())
    expect(drift).toEqual([`${id} seats`, `slot ${offer.timeSlotId} slot-sums`].sort())
    expect(await driftOf()).toEqual([])
  }, 60_000)

  test('a capture that pays for nothing is told, here and at Stripe', async () => {
    const { id, paymentIntentId } = await aConfirmedReservation(stack, guest)
    const amount = (change: string) =>
      `update payment_intent set amount_received = amount_received ${change} where id = $1`
    const drift = await whileWrong('payment', amount('- 1'), amount('+ 1'), paymentIntentId, () => driftOf('--stripe'))
    expect(drift).toEqual([`${id} amount`, `${id} stripe-amount`])
    expect(await driftOf('--stripe')).toEqual([])
  }, 60_000)

  test('nothing running is said in one line', async () => {
    const env = { PATH: process.env.PATH ?? '', HOLDFAST_HOME: `/tmp/no-such-home-${randomUUID()}` }
    const { out, code, error } = await runIn(env, 'verify')
    expect({ out, code }).toEqual({ out: '', code: 1 })
    expect(error).toMatch(/^No stack is running.*\n$/)
  })
})

describe('trace', () => {
  test('tells a booking from its hold to its seats, in order, by its id, its intent and its reference', async () => {
    const { id, paymentIntentId, clientSecret } = await aConfirmedReservation(stack, guest)
    const story = await eventually('its seats are booked', async () => {
      const { out } = await run('trace', id)
      return out.includes('seats_confirmed') && out
    })
    const order = [
      'seats allocated',
      'payment asked for',
      'ordered payment_intents.create',
      'payment_opened (held → pending)',
      'webhook payment_intent.succeeded: done',
      'captured',
      'heard payment.captured.v1',
      'payment_captured (pending → confirmed)',
      'heard inventory.confirm-seats.v1',
      'seats_confirmed',
      'As promised: status, seats and money agree.',
    ]
    const places = order.map((what) => [what, story.indexOf(what)] as const)
    expect(places.filter(([, place]) => place < 0)).toEqual([])
    for (const secret of [clientSecret, '_secret_', 'john@example.com', 'John Doe']) expect(story).not.toContain(secret)
    expect((await run('trace', paymentIntentId)).out).toContain(id)
    const [row] = await stack.rows<{ reference: string }>(
      'reservation',
      'select reservation_reference as reference from reservation where id = $1',
      [id],
    )
    expect((await run('trace', row?.reference ?? '')).out).toContain(id)
  }, 60_000)

  test.each([randomUUID(), 'pi_nobody', 'NOTAREFERNCE'])('of %s there is nothing to tell', async (name) => {
    const { code, out, error } = await run('trace', name)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toMatch(/^No .*\n$/)
  })
})

describe('dead letters', () => {
  test('a message that nobody can read is listed, shown, tried again in vain, and discarded', async () => {
    const id = randomUUID()
    await publish('inventory.confirm-seats.v1', {
      specversion: '1.0',
      id,
      source: 'holdfast/test',
      type: 'inventory.confirm-seats.v1',
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      data: { reservationId: 'no id at all', guestEmail: 'poison@example.com' },
    })
    await eventually('it is a dead letter', async () => (await run('dead-letters', 'list')).out.includes(id))
    expect(await driftOf()).toEqual(["inventory's messages dead-letter"])
    const { out } = await run('dead-letters', 'show', id)
    expect(out).toMatch(/reason +its body is not as declared/)
    expect(out).not.toContain('poison@example.com')
    const again = await run('dead-letters', 'replay', id)
    expect(again).toMatchObject({ code: 1, out: expect.stringContaining('a dead letter again: its body is not') })
    expect(await run('dead-letters', 'discard', id, '--service', 'payment')).toMatchObject({ code: 1 })
    expect(await run('dead-letters', 'discard', id)).toMatchObject({ code: 0 })
    expect((await run('dead-letters', 'list')).out).toBe('No dead letters.\n')
    expect(await driftOf()).toEqual([])
  }, 60_000)

  test('one whose cause is gone is handled by its own service, with the id it had', async () => {
    const offer = await anOffer(stack)
    const pending = await aPendingReservation(stack, guest, offer)
    await stack.rows('inventory', "alter table allocation add constraint poison check (state <> 'booked') not valid")
    try {
      await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
      await eventually('inventory has failed', () => failures('retry_at is not null'))
      // Twelve minutes of tries, cut short.
      await stack.rows('inventory', 'update failed_message set tries = 5, retry_at = now()')
      await eventually('it is a dead letter', () => failures('retry_at is null'))
      expect(await driftOf()).toEqual([`${pending.id} dead-letter`])
      expect((await run('trace', pending.id)).out).toContain('inventory.confirm-seats.v1: DEAD LETTER')
    } finally {
      await stack.rows('inventory', 'alter table allocation drop constraint if exists poison')
    }
    expect(await run('dead-letters', 'replay', '--all', '--service', 'inventory')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^inventory inventory\.confirm-seats\.v1 \S+: handled\n$/),
    })
    await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
    expect((await run('verify', '--wait', '20')).out).toContain('Everything is as promised.')
  }, 60_000)
})

async function failures(where: string): Promise<boolean> {
  return (await stack.rows('inventory', `select id from failed_message where ${where}`)).length > 0
}

async function publish(routingKey: string, envelope: object): Promise<void> {
  const { rabbitmqManagementUrl, rabbitmqUrl } = stack.running.stack
  const path = `/api/exchanges/${vhostOf(rabbitmqUrl)}/holdfast.commands/publish`
  const answer = await manage(rabbitmqManagementUrl, 'POST', path, {
    properties: { delivery_mode: 2 },
    routing_key: routingKey,
    payload: JSON.stringify(envelope),
    payload_encoding: 'string',
  })
  expect(answer).toEqual({ routed: true })
}
