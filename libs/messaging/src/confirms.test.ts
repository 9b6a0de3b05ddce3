import { randomUUID } from 'node:crypto'
import { Unavailable } from '@holdfast/contracts/errors'
import { send, typeOf } from '@holdfast/contracts/message'
import { ConfirmSeats } from '@holdfast/contracts/messages/inventory'
import { createLogger } from '@holdfast/runtime/logger'
import { type AmqpWire, openAmqpWire } from '@holdfast/testing/amqp-wire'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openBroker } from './broker.ts'
import { commandExchange, systemTopology } from './topology.ts'

const logger = createLogger('test', { LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' })
let broker: TestBroker
let wire: AmqpWire

beforeAll(async () => {
  broker = await createTestBroker()
  wire = await openAmqpWire(broker.url)
})
afterAll(async () => {
  await wire.close()
  await broker.drop()
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
