import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { getVerification, type Verification } from '@holdfast/contracts/routes/operations'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { expectError, expectInvalid } from './support/errors.ts'
import {
  aConfirmedReservation,
  aHold,
  anOffer,
  aPendingReservation,
  aUser,
  type Offer,
  untilSeats,
  untilStatus,
} from './support/situation.ts'
import { operator, startTestStack, type TestStack } from './support/stack.ts'

/** The promises held against the running system over HTTP: services ask one another, nobody reads another's tables. */

let stack: TestStack
let guest: string
let offer: Offer
let confirmed: { id: string; paymentIntentId: string; clientSecret: string }
let held: string
beforeAll(async () => {
  stack = await startTestStack()
  guest = aUser()
  offer = await anOffer(stack)
  confirmed = await aConfirmedReservation(stack, guest, offer)
  held = (await aHold(stack, guest)).id
  await aPendingReservation(stack, guest)
  const { id } = await aHold(stack, guest)
  await stack.api.ok(reservations.releaseHold, { as: guest, params: { id } })
  const short = await aPendingReservation(stack, guest, await anOffer(stack, { experience: { holdSeconds: 1 } }))
  await untilStatus(stack, guest, short.id, 'expired', 30_000)
  await untilSeats(stack, offer.timeSlotId, { held: 0, booked: 2 })
  await eventually('everything is at rest', async () => (await look()).findings.length === 0, 30_000)
}, 180_000)
afterAll(() => stack?.stop(), 60_000)

type Query = Record<string, string | number>
const look = (query: Query = {}): Promise<Verification> => stack.api.ok(getVerification, { as: operator, query })

/** All stretches of one walk. */
async function walk(limit: number): Promise<Verification[]> {
  const stretches = [await look({ limit })]
  for (;;) {
    const after = stretches.at(-1)?.next
    if (!after) return stretches
    stretches.push(await look({ limit, after }))
  }
}

const driftIn = ({ findings }: Verification) =>
  findings
    .filter(({ standing }) => standing === 'drift')
    .map(({ subject, kind }) => `${subject} ${kind}`)
    .sort()

type Database = 'inventory' | 'payment' | 'reservation'

/** Corrupts, looks, and puts right again. */
async function whileWrong<T>(database: Database, [wrong, right]: readonly [string, string], work: () => Promise<T>) {
  await stack.rows(database, wrong)
  try {
    return await work()
  } finally {
    await stack.rows(database, right)
  }
}

describe('as promised', () => {
  test('bookings of every kind are counted, with their seats and their money, and nothing is found', async () => {
    const answer = await look()
    const { captured, returned } = answer.money.usd ?? {}
    expect(answer).toEqual({
      checkedAt: expect.any(String),
      reservations: { cancelled: 1, confirmed: 1, expired: 1, held: 1, pending: 1 },
      seats: { slots: 5, capacity: 50, held: 4, booked: 2 },
      money: { usd: { captured: expect.any(Number), returned: 0 } },
      findings: [],
      truncated: false,
      next: null,
    })
    expect(captured).toBeGreaterThan(0)
    expect(returned).toBe(0)
  })

  test('one booking alone, with its slot', async () => {
    expect(await look({ reservationId: confirmed.id })).toMatchObject({
      reservations: { confirmed: 1 },
      seats: { slots: 1, capacity: 10, held: 0, booked: 2 },
      findings: [],
      next: null,
    })
  })

  test('a walk in small steps sees each booking and each slot once', async () => {
    const stretches = await walk(1)
    expect(stretches.length).toBeGreaterThan(1)
    const sum = (number: (stretch: Verification) => number | undefined) =>
      stretches.reduce((total, stretch) => total + (number(stretch) ?? 0), 0)
    const whole = await look()
    for (const status of ['cancelled', 'confirmed', 'expired', 'held', 'pending'] as const)
      expect(sum((stretch) => stretch.reservations[status])).toBe(whole.reservations[status])
    for (const what of ['slots', 'capacity', 'held', 'booked'] as const)
      expect(sum((stretch) => stretch.seats[what])).toBe(whole.seats[what])
    expect(sum(({ money }) => money.usd?.captured)).toBe(whole.money.usd?.captured)
    const cursors = stretches.map(({ next }) => next ?? 'the end')
    expect(cursors).toEqual([...new Set(cursors)].sort())
  })
})

describe('drift is told by reservation, whichever database it is in', () => {
  test('seats that were let go under a confirmed reservation', async () => {
    const state = (to: string) => `update allocation set state = '${to}' where reservation_id = '${confirmed.id}'`
    const wrong = [state('released'), state('booked')] as const
    const expected = [`${confirmed.id} seats`, `slot ${offer.timeSlotId} slot-sums`].sort()
    const { all, one, other } = await whileWrong('inventory', wrong, async () => ({
      all: await look(),
      one: await look({ reservationId: confirmed.id }),
      other: await look({ reservationId: held }),
    }))
    expect(driftIn(all)).toEqual(expected)
    expect(driftIn(one)).toEqual(expected)
    expect(driftIn(other)).toEqual([])
    expect(all.findings.find(({ kind }) => kind === 'seats')).toEqual({
      subject: confirmed.id,
      kind: 'seats',
      what: 'confirmed with seats booked, but inventory has its seats released',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      standing: 'drift',
    })
    expect((await look()).findings).toEqual([])
  }, 60_000)

  test('a capture of another amount', async () => {
    const amount = (change: string) =>
      `update payment_intent set amount_received = amount_received ${change} where id = '${confirmed.paymentIntentId}'`
    const drift = await whileWrong('payment', [amount('- 1'), amount('+ 1')], look)
    expect(driftIn(drift)).toEqual([`${confirmed.id} amount`])
  }, 60_000)

  test('a hold that nobody will look at any more', async () => {
    const wakeAt = (at: string) => `update reservation set wake_at = ${at} where id = '${held}'`
    const drift = await whileWrong('reservation', [wakeAt('null'), wakeAt('hold_expires_at')], look)
    expect(driftIn(drift)).toEqual([`${held} asleep`])
  }, 60_000)

  test('a booking that reservation has forgotten is told by those who remember it', async () => {
    const id = confirmed.id
    const away = [
      `create table forgotten as select * from reservation where id = '${id}'; delete from reservation where id = '${id}'`,
      'insert into reservation select * from forgotten; drop table forgotten',
    ] as const
    const aged = [
      `update payment set created_at = created_at - interval '1 hour' where reservation_id = '${id}'`,
      `update payment set created_at = created_at + interval '1 hour' where reservation_id = '${id}'`,
    ] as const
    const { all, steps } = await whileWrong('reservation', away, () =>
      whileWrong('payment', aged, async () => ({ all: await look(), steps: await walk(1) })),
    )
    const expected = [`${id} payment-without-reservation`, `${id} seats-without-reservation`]
    expect(driftIn(all)).toEqual(expected)
    expect(steps.flatMap(driftIn).sort()).toEqual(expected)
    expect(all.reservations.confirmed).toBeUndefined()
  }, 60_000)

  test('what was wrong at the first look only is not drift', async () => {
    const state = (to: string) => `update allocation set state = '${to}' where reservation_id = '${confirmed.id}'`
    // Between both looks payment is asked what is on its way: there the question waits until the seats are as they were.
    const payment = new pg.Client({ connectionString: stack.running.stack.databases.payment })
    await payment.connect()
    await payment.query('begin; lock table stripe_event in access exclusive mode')
    try {
      const { answer } = await whileWrong('inventory', [state('released'), state('booked')], async () => {
        const answer = look()
        await eventually('the first look is over', async () => {
          const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%"receivedAt"%'`
          return (await stack.rows('payment', waiting)).length > 0
        })
        return { answer }
      })
      await payment.query('rollback')
      expect(driftIn(await answer)).toEqual([])
    } finally {
      await payment.end()
    }
  }, 60_000)

  test('a dead letter, and a message that is not published, by the service that has it', async () => {
    const [failed, parked] = [randomUUID(), randomUUID()]
    const envelope = `{"correlationid": "${held}", "data": {"guestName": "John Doe"}}`
    const deadLetter = [
      `insert into failed_message (id, type, envelope, reason) values ('${failed}', 'payment.poll.v1', '${envelope}', 'why')`,
      `delete from failed_message where id = '${failed}'`,
    ] as const
    const outbox = [
      `insert into outbox (id, exchange, routing_key, envelope, parked_at)
       values ('${parked}', 'holdfast.events', 'inventory.seats-released.v1', '${envelope}', now())`,
      `delete from outbox where id = '${parked}'`,
    ] as const
    const { all, one, beyond } = await whileWrong('payment', deadLetter, () =>
      whileWrong('inventory', outbox, async () => ({
        all: await look(),
        one: await look({ reservationId: held }),
        beyond: await look({ after: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }),
      })),
    )
    expect(driftIn(all)).toEqual([`${held} dead-letter`, `${held} parked`])
    expect(driftIn(one)).toEqual(driftIn(all))
    // Told once, by the first answer of a walk.
    expect(beyond).toMatchObject({ findings: [], reservations: {}, next: null })
    expect(JSON.stringify(all)).not.toContain('John Doe')
  }, 60_000)

  test('more dead letters than are listed are said to be more', async () => {
    const many = [
      `insert into failed_message (id, type, envelope, reason)
       select gen_random_uuid(), 'many', '{}', 'why' from generate_series(1, 201)`,
      "delete from failed_message where type = 'many'",
    ] as const
    const answer = await whileWrong('payment', many, look)
    expect(answer).toMatchObject({ truncated: true, findings: { length: 200 } })
  }, 60_000)
})

describe('the door', () => {
  test('is closed to guests and to nobody', async () => {
    expectError(await stack.api.call(getVerification, { as: guest }), 'FORBIDDEN')
    expectError(await stack.api.call(getVerification), 'UNAUTHORIZED')
    // Past the gateway as well.
    const { url } = stack.running.stack.processes.find(({ name }) => name === 'reservation') ?? {}
    const authorization = `Bearer ${await stack.token(guest)}`
    const past = await fetch(new URL(getVerification.url, url), { headers: { authorization } })
    expect(past.status).toBe(403)
  })

  test.each<[string, Query, string]>([
    ['no id', { after: 'yesterday' }, 'querystring.after'],
    ['nothing', { limit: 0 }, 'querystring.limit'],
    ['too much', { limit: 10_001 }, 'querystring.limit'],
  ])('%s is not looked at', async (_what, query, path) => {
    expectInvalid(await stack.api.call(getVerification, { as: operator, query }), path)
  })

  test('a question that can be meant in two ways, or that nobody understands, is refused', async () => {
    const queries: Query[] = [{ after: held, reservationId: held }, { reservation: held }]
    for (const query of queries)
      expectError(await stack.api.call(getVerification, { as: operator, query }), 'VALIDATION_ERROR', expect.anything())
  })

  test('of a booking that nobody knows there is nothing to say', async () => {
    const query = { reservationId: randomUUID() }
    expectError(await stack.api.call(getVerification, { as: operator, query }), 'RESERVATION_NOT_FOUND')
  })
})

describe('npm run verify through the gateway', () => {
  const run = (token: string) =>
    new Promise<{ code: number; out: string; error: string }>((resolve) => {
      const file = fileURLToPath(new URL('../infra/operations/src/verify.ts', import.meta.url))
      const env = { PATH: process.env.PATH ?? '', HOLDFAST_HOME: '/nowhere', OPERATOR_TOKEN: token }
      const args = [file, '--gateway', stack.running.stack.gatewayUrl]
      execFile(process.execPath, args, { env, timeout: 60_000 }, (failed, out, error) =>
        resolve({ code: Number(failed?.code ?? 0), out, error }),
      )
    })

  test('needs no database', async () => {
    const { code, out } = await run(await stack.token(operator))
    expect(out).toContain('Everything is as promised.')
    expect(out).toMatch(/1 cancelled · 1 confirmed · 1 expired · 1 held · 1 pending/)
    expect(code).toBe(0)
  }, 60_000)

  test('says in one line that it may not', async () => {
    const { code, out, error } = await run(await stack.token(guest))
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(error).toMatch(/^http\S+ answered 403: .*\n$/)
  }, 60_000)
})

describe('a service that is away', () => {
  test.each(['inventory', 'payment'])(
    '%s: 503 within five seconds, and an answer when it is back',
    async (name) => {
      await stack.running.down(name)
      const startedAt = performance.now()
      expectError(await stack.api.call(getVerification, { as: operator }), 'SERVICE_UNAVAILABLE')
      // And what a busy machine adds.
      expect(performance.now() - startedAt).toBeLessThan(10_000)
      await stack.running.up(name)
      await eventually('it is answered again', async () => (await look()).findings.length === 0, 30_000)
    },
    90_000,
  )
})
