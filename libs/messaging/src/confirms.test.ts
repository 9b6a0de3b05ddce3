import { randomUUID } from 'node:crypto'
import { Unavailable } from '@holdfast/contracts/errors'
import { send, typeOf } from '@holdfast/contracts/message'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { RefundPayment } from '@holdfast/contracts/messages/payment'
import { type Database, openDatabase, statement } from '@holdfast/db/database'
import { createLogger } from '@holdfast/runtime/logger'
import { type AmqpWire, openAmqpWire } from '@holdfast/testing/amqp-wire'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openBroker } from './broker.ts'
import { messagingMigrations, openMessaging } from './messaging.ts'
import { outboxRow } from './outbox.ts'
import { commandExchange, systemTopology } from './topology.ts'

const logger = createLogger('test', { LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' })
let broker: TestBroker
let wire: AmqpWire
let store: TestDatabase
let database: Database

beforeAll(async () => {
  broker = await createTestBroker()
  wire = await openAmqpWire(broker.url)
  store = await createTestDatabase([messagingMigrations])
  database = openDatabase(store.url, { poolSize: 4, applicationName: 'test', logger })
})
afterAll(async () => {
  await database.close()
  await wire.close()
  await store.drop()
  await broker.drop()
})

const confirmSeats = () => send(ConfirmSeats, { reservationId: randomUUID() })
const refund = () => send(RefundPayment, { reservationId: randomUUID(), paymentIntentId: randomUUID(), reason: 'late' })

describe('a queue that confirms nothing', () => {
  const left = statement<{ count: number }>(
    'test.left',
    'select count(*)::int as count from outbox where routing_key = $1',
  )
  const orphan = statement(
    'test.orphan',
    `insert into outbox (id, exchange, routing_key, envelope, lease_until) values ($1, $2, $3, $4, now() - interval '1 s')`,
  )
  const countOf = async (routingKey: string) => (await database.one(left, [routingKey])).count
  const areGone = (routingKey: string) => async () => (await countOf(routingKey)) === 0

  test('holds up no others, and when it is back it is spoken to on another channel', async () => {
    const speaker = openMessaging({ service: 'reservation', instance: 'r', urls: [wire.url], database, logger })
    await eventually('it is connected', async () => speaker.connected())
    wire.mute(typeOf(ConfirmSeats))
    await speaker.transact(async (tx) => {
      for (let n = 0; n < 2_000; n += 1) tx.say(confirmSeats())
    })
    await speaker.transact(async (tx) => tx.say(refund()))
    await eventually('what goes elsewhere is gone', areGone(typeOf(RefundPayment)), 5_000)
    // What others have left behind: first more than is taken at one time for the queue that confirms nothing.
    for (const message of [...Array.from({ length: 600 }, confirmSeats), refund()]) {
      const { id, exchange, routingKey, envelope } = outboxRow(message, 'reservation')
      await database.run(orphan, [id, exchange, routingKey, JSON.stringify(envelope)])
    }
    await eventually('what is taken over is gone', areGone(typeOf(RefundPayment)), 5_000)
    expect(await countOf(typeOf(ConfirmSeats))).toBe(2_600)
    // The confirms that have been lost will not come any more.
    wire.mute(undefined)
    await eventually('all are gone', areGone(typeOf(ConfirmSeats)), 40_000)
    await speaker.stop()
  }, 90_000)
})

describe('publishing', () => {
  /** AMQP 0-9-1: the broker says on a channel that no queue takes the message, and that it could not put it there. */
  function returnedAndNacked(channel: number, deliveryTag: number, messageId: string): Buffer {
    const frame = (type: number, payload: Buffer) => {
      const header = Buffer.alloc(7)
      header.writeUInt8(type, 0)
      header.writeUInt16BE(channel, 1)
      header.writeUInt32BE(payload.length, 3)
      return Buffer.concat([header, payload, Buffer.from([0xce])])
    }
    const returned = Buffer.from([0, 60, 0, 50, 1, 0x38, 0, 0, 0])
    const hasMessageId = Buffer.from([0, 0x80, messageId.length])
    const properties = Buffer.concat([
      Buffer.from([0, 60, 0, 0, ...Array(8).fill(0)]),
      hasMessageId,
      Buffer.from(messageId),
    ])
    const nack = Buffer.from([0, 60, 0, 120, 0, 0, 0, 0, 0, 0, 0, deliveryTag, 0])
    return Buffer.concat([frame(1, returned), frame(2, properties), frame(1, nack)])
  }

  async function open() {
    const opened = openBroker({ urls: [wire.url], name: 'test', topology: systemTopology(), logger })
    await eventually('it is connected', async () => opened.connected())
    const messageId = randomUUID()
    const options = { mandatory: true, messageId }
    const message = { exchange: commandExchange, routingKey: typeOf(ConfirmSeats), content: Buffer.from('{}'), options }
    return { opened, message, messageId }
  }

  test('what is returned and turned away as well is counted once', async () => {
    const { opened, message, messageId } = await open()
    // So that the channel is there: questions and answers have the first.
    await opened.publish({ ...message, options: {} })
    const failed = opened.publish(message)
    // Before the broker itself can say anything of it.
    wire.inject(returnedAndNacked(2, 2, messageId))
    await expect(failed).rejects.toThrow('takes nothing now')
    await opened.publish(message)
    await opened.close()
  })

  test('what cannot be published leaves no timer behind', async () => {
    const { opened, message } = await open()
    await opened.publish(message)
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const failed = opened.publish({ ...message, content: 'no buffer' as never })
    await expect(failed).rejects.toBeInstanceOf(Unavailable)
    expect(timers()).toBe(before)
    await opened.close()
  })
})
