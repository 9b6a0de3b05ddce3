import { getVerification } from '@holdfast/contracts/routes/operations'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { runCommand } from './support/command.ts'
import { aConfirmedReservation, aHold, anOffer, aPendingReservation, aUser, untilStatus } from './support/situation.ts'
import { operator, startTestStack, type TestStack } from './support/stack.ts'
import { cards } from './support/stripe-js.ts'

/** The rehearsal of docs/operating.md, "what it means to restore": databases are as they were, the world is not. */

type Database = 'inventory' | 'payment' | 'reservation'
const databases: readonly Database[] = ['inventory', 'payment', 'reservation']
const services = [...databases, 'timeout']

let stack: TestStack
let guest: string
let pending: { id: string; clientSecret: string }
beforeAll(async () => {
  // Stripe is asked about what waits for it after a second, not half a minute.
  stack = await startTestStack({ reservation: { PAYMENT_POLL_SECONDS: '1' } })
  guest = aUser()
  const offer = await anOffer(stack)
  await aConfirmedReservation(stack, guest, offer)
  pending = await aPendingReservation(stack, guest, offer)
  await atRest()
  await whileServicesAreDown((database) => backUp(database, 'before'))
  await stack.stripeJs.confirmCardPayment(pending.clientSecret, cards.success)
  await untilStatus(stack, guest, pending.id, 'confirmed')
  await aConfirmedReservation(stack, guest, offer)
  await aHold(stack, guest, offer)
  await atRest()
  await whileServicesAreDown(async (database) => {
    await backUp(database, 'now')
    await restore(database, 'now')
  })
}, 180_000)
afterAll(() => stack?.stop(), 60_000)

test('restored to this very moment, all is as it was', async () => {
  expect(await foundByVerify()).toEqual([])
}, 60_000)

test.each<[string, readonly Database[], readonly string[]]>([
  [
    'reservation alone',
    ['reservation'],
    ['capture-untold', 'payment-without-reservation', 'seats-without-reservation'],
  ],
  ['inventory alone', ['inventory'], ['seats']],
  ['payment alone', ['payment'], ['payment-missing', 'stripe-paid', 'unpaid']],
  ['all three', databases, ['stripe-paid']],
])(
  'restored to an earlier moment, %s: verify finds it',
  async (_name, restored, kinds) => {
    await whileServicesAreDown((database) => restore(database, restored.includes(database) ? 'before' : 'now'))
    // What was paid since, and is known of, is heard of again by asking Stripe.
    await untilStatus(stack, guest, pending.id, 'confirmed', 60_000)
    await eventually('verify finds it', async () => (await foundByVerify()).join() === kinds.join(), 60_000)
  },
  120_000,
)

async function foundByVerify(): Promise<string[]> {
  const { out } = await runCommand(stack, 'verify', '--stripe', '--json')
  const { findings } = JSON.parse(out) as { findings: { kind: string }[] }
  return [...new Set(findings.map(({ kind }) => kind))].sort()
}

const atRest = () =>
  eventually(
    'all is at rest',
    async () => (await stack.api.ok(getVerification, { as: operator })).findings.length === 0,
    30_000,
  )

// --- Backups: every table as a table of another schema -----------------------------------------------------------------

type Moment = 'before' | 'now'

async function backUp(database: Database, moment: Moment): Promise<void> {
  const tables = await tablesOf(database, 'public')
  const copies = tables.map((name) => `create table ${moment}.${name} as table public.${name}`)
  await stack.rows(database, [`create schema ${moment}`, ...copies].join(';'))
}

async function restore(database: Database, moment: Moment): Promise<void> {
  const tables = await tablesOf(database, moment)
  const fill = tables.map((name) => `insert into ${name} overriding system value select * from ${moment}.${name}`)
  await stack.rows(database, [`truncate ${tables.join(',')}`, ...fill].join(';'))
}

async function whileServicesAreDown(work: (database: Database) => Promise<void>): Promise<void> {
  await Promise.all(services.map((name) => stack.running.down(name)))
  await Promise.all(databases.map(work))
  await Promise.all(services.map((name) => stack.running.up(name)))
}

/** Those that others refer to first. */
async function tablesOf(database: Database, schema: string): Promise<string[]> {
  const sql = `select c.relname as name from pg_class c
    where c.relnamespace = $1::regnamespace and c.relkind = 'r' and c.relname not like 'migration%'
    order by (select count(*) from pg_constraint where conrelid = ('public.' || c.relname)::regclass and contype = 'f'),
      c.relname = 'refund', c.relname`
  return (await stack.rows<{ name: string }>(database, sql, [schema])).map(({ name }) => name)
}
