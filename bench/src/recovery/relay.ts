import { randomUUID } from 'node:crypto'
import { send } from '@holdfast/contracts/message'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { statement } from '@holdfast/db/database'
import { outboxRow } from '@holdfast/messaging/outbox'
import { type Fact, took } from './fact.ts'
import { openPair, type Pair } from './servers.ts'

const rows = statement<{ count: number }>('recovery.rows', 'select count(*)::int as count from outbox')
/** As if whoever wrote them had died: their leases are over, all at once. */
const insert = statement(
  'recovery.insert',
  `insert into outbox (id, exchange, routing_key, envelope, lease_until)
   select gen_random_uuid(), $1, $2, $3, now() from generate_series(1, $4::int)`,
)
const inOneTransaction = 100
const atOnce = 4

/** Nobody hears, so that it is the relay alone which is measured: from the outbox to the broker's disk, and out of the table. */
export async function measureRelay(backlog: number): Promise<Fact[]> {
  const pair = await openPair()
  try {
    // The pace of transactions is the writers' own; the relay keeps up with it, or it does not.
    await say(pair, 5_000)
    const fresh = await say(pair, backlog / 4)
    return [
      { what: 'said in transactions of a hundred, published, confirmed and deleted', figures: fresh },
      { what: 'a backlog of leases that are over', figures: await drain(pair, backlog) },
    ]
  } finally {
    await pair.leave()
  }
}

async function say({ speaker, database }: Pair, messages: number): Promise<Record<string, number>> {
  const startedAt = performance.now()
  let left = Math.ceil(messages / inOneTransaction)
  const writer = async () => {
    while (left-- > 0)
      await speaker.transact(async (tx) => {
        for (let n = 0; n < inOneTransaction; n++) tx.say(send(ConfirmSeats, { reservationId: randomUUID() }))
      })
  }
  await Promise.all(Array.from({ length: atOnce }, writer))
  await took('the outbox is empty', async () => (await database.one(rows)).count === 0, 300_000)
  const seconds = (performance.now() - startedAt) / 1_000
  return { messages, seconds, perSecond: messages / seconds }
}

async function drain({ database }: Pair, messages: number): Promise<Record<string, number>> {
  const { exchange, routingKey, envelope } = outboxRow(
    send(ConfirmSeats, { reservationId: randomUUID() }),
    'reservation',
  )
  await database.run(insert, [exchange, routingKey, JSON.stringify(envelope), messages])
  const seconds =
    (await took('the backlog is gone', async () => (await database.one(rows)).count === 0, 300_000)) / 1_000
  return { messages, seconds, perSecond: messages / seconds }
}
