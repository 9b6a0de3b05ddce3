import { randomUUID } from 'node:crypto'
import { send } from '@holdfast/contracts/message'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { statement } from '@holdfast/db/database'
import { outboxRow } from '@holdfast/messaging/outbox'
import { connect } from 'amqplib'
import { distribution, type Fact, took } from './fact.ts'
import { openPair, type Pair } from './servers.ts'

const patienceMs = 60_000

/** With `cuts`, that many cuts and nothing else; without, each kind of fault a few times. */
export async function measureHealing({ cuts }: { cuts: number }): Promise<Fact[]> {
  const pair = await openPair()
  try {
    await pair.startHearing()
    if (cuts > 0) return [{ what: 'cuts of the socket', figures: await cutAgain(pair, cuts) }]
    return [
      { what: 'a queue is deleted, until the next message is handled', figures: await deletedQueues(pair) },
      { what: 'the socket goes dead, until that is noticed', figures: await deadSockets(pair) },
      { what: 'its writer died after the commit, until the message is handled', figures: await orphans(pair) },
    ]
  } finally {
    await pair.leave()
  }
}

const say = async ({ speaker }: Pair): Promise<string> => {
  const reservationId = randomUUID()
  await speaker.transact(async (tx) => tx.say(send(ConfirmSeats, { reservationId })))
  return reservationId
}

async function deletedQueues(pair: Pair): Promise<Record<string, number>> {
  const connection = await connect(pair.brokerUrl)
  const channel = await connection.createChannel()
  const times: number[] = []
  for (let n = 0; n < 20; n++) {
    await channel.deleteQueue('holdfast.inventory')
    const startedAt = performance.now()
    const id = await say(pair)
    await took('it is handled', () => pair.handled.has(id), patienceMs)
    times.push(performance.now() - startedAt)
  }
  await connection.close()
  return distribution(times)
}

async function deadSockets({ wire, speaker }: Pair): Promise<Record<string, number>> {
  const times: number[] = []
  for (let n = 0; n < 5; n++) {
    wire.blackHole()
    times.push(await took('it is noticed', () => !speaker.connected(), patienceMs))
    wire.heal()
    await took('it is connected again', () => speaker.connected(), patienceMs)
  }
  return distribution(times)
}

const insert = statement(
  'recovery.orphan',
  'insert into outbox (id, exchange, routing_key, envelope) values ($1, $2, $3, $4)',
)

async function orphans({ database, handled }: Pair): Promise<Record<string, number>> {
  const one = async (n: number) => {
    await new Promise((resolve) => setTimeout(resolve, n * 53))
    const reservationId = randomUUID()
    const row = outboxRow(send(ConfirmSeats, { reservationId }), 'reservation')
    await database.run(insert, [row.id, row.exchange, row.routingKey, JSON.stringify(row.envelope)])
    return took('it is handled', () => handled.has(reservationId), patienceMs)
  }
  return distribution(await Promise.all(Array.from({ length: 50 }, (_, n) => one(n))))
}

/** At any moment: while it connects, declares, publishes, or has nothing to do. */
async function cutAgain(pair: Pair, cuts: number): Promise<Record<string, number>> {
  const { wire, handled } = pair
  let uncaught = 0
  const count = () => {
    uncaught += 1
  }
  process.on('uncaughtException', count).on('unhandledRejection', count)
  const said: string[] = []
  let done = 0
  while (done < cuts) {
    said.push(await say(pair))
    await took('there is something to cut', () => wire.open() > 0, patienceMs)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150))
    if (wire.cut() > 0) done += 1
  }
  const settled = () => said.every((id) => handled.has(id))
  const afterMs = await took('all are handled', settled, patienceMs)
  const twice = said.filter((id) => handled.get(id) !== 1).length
  process.off('uncaughtException', count).off('unhandledRejection', count)
  return { cuts, uncaught, messages: said.length, handledTwice: twice, untilAllHandledMs: afterMs }
}
