import { randomUUID } from 'node:crypto'
import { send, typeOf } from '@holdfast/contracts/message'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { openDatabase, statement } from '@holdfast/db/database'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { createTestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { openTcpProxy, type TcpProxy } from '@holdfast/testing/tcp-proxy'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { connect } from 'amqplib'
import { type Broker, openBroker } from './broker.ts'
import { messageIdOf, wrap } from './envelope.ts'
import { task } from './handler.ts'
import { messagingMigrations, openMessaging } from './messaging.ts'
import { commandExchange, mostDeliveries, queueOf, systemTopology } from './topology.ts'

const silent = createLogger('test', { LOG_LEVEL: 'silent' })
let server: TestBroker
/** What is closed after each test, the last first. */
let opened: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  server = await createTestBroker()
})
afterEach(async () => {
  for (const close of opened.reverse()) await close()
  opened = []
})
afterAll(() => server.drop())

/** A node, as far as its clients can tell: a wire to the broker with an address of its own. */
async function aNode(): Promise<TcpProxy & { url: string }> {
  const url = new URL(server.url)
  const wire = await openTcpProxy({ host: url.hostname, port: Number(url.port || 5672) })
  opened.push(() => wire.close())
  url.hostname = '127.0.0.1'
  url.port = String(wire.port)
  return { ...wire, url: url.href }
}

function open(urls: readonly string[], logger = silent): Broker {
  const broker = openBroker({ urls, name: 'test', topology: systemTopology(), logger })
  opened.push(() => broker.close())
  return broker
}

const connected = (broker: Broker) => eventually('it is connected', async () => broker.connected())

/** Goes by way of the broker and comes back: the connection is as good as it says. */
async function canPublish(broker: Broker): Promise<void> {
  const message = wrap(send(ConfirmSeats, { reservationId: randomUUID() }), 'reservation')
  await broker.publish({
    exchange: commandExchange,
    routingKey: message.type,
    content: Buffer.from(JSON.stringify(message)),
    options: { mandatory: true, messageId: message.id },
  })
}

describe('several addresses', () => {
  test('lead to the nodes that are there, whichever are away', async () => {
    const nodes = [await aNode(), await aNode(), await aNode()]
    const broker = open(nodes.map(({ url }) => url))
    for (const there of [...nodes, ...nodes]) {
      for (const node of nodes) if (node !== there) node.refuse()
      there.heal()
      await eventually('the one that is there is used', async () => there.open() > 0 && broker.connected())
      await eventually('it can publish', () => canPublish(broker).then(() => true))
    }
  }, 60_000)

  test('are tried one after the other without a pause while any is there', async () => {
    const nodes = [await aNode(), await aNode(), await aNode()]
    for (const node of nodes.slice(1)) node.refuse()
    const broker = open(nodes.map(({ url }) => url))
    await connected(broker)
    expect(nodes.map((node) => node.open())).toEqual([1, 0, 0])
  })
})

describe('a queue that is there with other settings', () => {
  test('is named in the log with what to do, and once it is deleted all goes on', async () => {
    const queue = queueOf('payment')
    const rogue = await connect(server.url)
    opened.push(() => rogue.close())
    const channel = await rogue.createChannel()
    await channel.deleteQueue(queue)
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-max-length': 7 } })
    const lines: string[] = []
    const broker = open(
      [server.url],
      createLogger('test', { LOG_LEVEL: 'warn' }, { write: (line) => lines.push(line) }),
    )
    const said = await eventually('it says so', async () => lines.find((line) => line.includes('other settings')))
    expect(said).toMatch(queue)
    expect(said).toMatch('delete it there')
    expect(broker.connected()).toBe(false)
    await channel.deleteQueue(queue)
    await connected(broker)
    await canPublish(broker)
  })
})

test('a consumer that pauses and goes on, over and over, hears all of it on its one channel', async () => {
  const queue = queueOf('inventory')
  const broker = open([server.url])
  await connected(broker)
  const heard: string[] = []
  const consumer = broker.consume(queue, { prefetch: 10 }, (delivery) => {
    heard.push(delivery.content.toString())
    delivery.ack()
  })
  for (let n = 0; n < 20; n += 1) {
    // Not awaited: whoever changes his mind meanwhile is heard.
    const pausing = consumer.pause()
    await consumer.resume()
    await pausing
  }
  await consumer.pause()
  const before = heard.length
  await canPublish(broker)
  expect(heard).toHaveLength(before)
  await consumer.resume()
  await eventually('it is heard', async () => heard.length > before)
  // What other tests have left here is heard as well, once.
  expect(new Set(heard).size).toBe(before + 1)
  // One to publish with confirms, one for questions and answers, one to consume.
  await eventually('there are three channels', async () => (await server.countChannels()) === 3)
})

test('a consumer that pauses, and goes on only when there is another session, hears what is sent', async () => {
  const node = await aNode()
  const broker = open([node.url])
  await connected(broker)
  const heard: string[] = []
  const consumer = broker.consume(queueOf('inventory'), { prefetch: 10 }, (delivery) => {
    heard.push(delivery.content.toString())
    delivery.ack()
  })
  await consumer.pause()
  const before = heard.length
  node.cut()
  await eventually('the session has ended', async () => !broker.connected())
  await connected(broker)
  await eventually('it can publish', () => canPublish(broker).then(() => true))
  expect(heard).toHaveLength(before)
  await consumer.resume()
  await eventually('it is heard', async () => heard.length > before)
})

test('a message that nobody lives to acknowledge is a dead letter after its deliveries', async () => {
  const store = await createTestDatabase([messagingMigrations])
  const database = openDatabase(store.url, { poolSize: 4, applicationName: 'test', logger: silent })
  opened.push(() => database.close().then(store.drop))
  const node = await aNode()
  const inventory = openMessaging({ service: 'inventory', instance: 'i', urls: [node.url], database, logger: silent })
  const end = Promise.withResolvers<void>()
  opened.push(() => {
    end.resolve()
    return inventory.stop()
  })
  const message = send(ConfirmSeats, { reservationId: randomUUID() })
  const envelope = wrap(message, 'reservation')
  let deliveries = 0
  inventory.listen({
    handlers: [
      task(ConfirmSeats, async ({ reservationId }) => {
        if (reservationId !== message.body.reservationId) return
        // As the broker sees the death of a process. What this one was doing is never finished.
        deliveries += 1
        node.cut()
        await end.promise
      }),
    ],
  })
  const sender = open([server.url])
  await connected(sender)
  await sender.publish({
    exchange: commandExchange,
    routingKey: typeOf(ConfirmSeats),
    content: Buffer.from(JSON.stringify(envelope)),
    options: { persistent: true, mandatory: true, messageId: envelope.id },
  })
  const dead = statement<{ reason: string }>(
    'test.dead',
    'select reason from failed_message where id = $1 and retry_at is null',
  )
  const { reason } = await eventually(
    'it is a dead letter',
    () => database.maybeOne(dead, [messageIdOf(message)]),
    60_000,
  )
  // By our own count, before a quorum queue gives up.
  expect(reason).toMatch(/nobody has lived to tell/)
  expect(deliveries).toBeGreaterThan(5)
  expect(deliveries).toBeLessThanOrEqual(mostDeliveries + 1)
}, 90_000)
