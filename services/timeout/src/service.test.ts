import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Envelope, send, typeOf } from '@holdfast/contracts/message'
import { HoldDue } from '@holdfast/contracts/messages/reservation'
import { ScheduleTimeout } from '@holdfast/contracts/messages/timeout'
import { type Broker, openBroker } from '@holdfast/messaging/broker'
import { hasExchangeType } from '@holdfast/messaging/declare'
import { messageIdOf, wrap } from '@holdfast/messaging/envelope'
import { commandExchange, deadQueueOf, queueOf, systemTopology } from '@holdfast/messaging/topology'
import { loadConfig } from '@holdfast/runtime/config'
import { inContext } from '@holdfast/runtime/context'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker, type TestBroker } from '@holdfast/testing/broker'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { settings } from './config.ts'
import { startTimeout } from './service.ts'

interface Heard {
  readonly at: number
  readonly envelope: Envelope
}

const logger = createLogger('timeout', { LOG_LEVEL: 'silent' })
let server: TestBroker
let service: Awaited<ReturnType<typeof startTimeout>>
/** Stands where reservation stands. */
let reservation: Broker
const heard: Heard[] = []
const dead: string[] = []

beforeAll(async () => {
  server = await createTestBroker()
  service = await startTimeout(
    loadConfig(settings, { NODE_ENV: 'test', PORT: '0', LOG_LEVEL: 'silent', RABBITMQ_URL: server.url }),
  )
  reservation = openBroker({ urls: [server.url], name: 'reservation', topology: systemTopology(), logger })
  reservation.consume(queueOf('reservation'), { prefetch: 100 }, (delivery) => {
    heard.push({ at: Date.now(), envelope: Envelope.parse(JSON.parse(delivery.content.toString())) })
    delivery.ack()
  })
  reservation.consume(deadQueueOf('timeout'), { prefetch: 100 }, (delivery) => {
    dead.push(delivery.content.toString())
    delivery.ack()
  })
  await eventually('ready', async () => (await health()).status === 200 && reservation.connected())
})
afterAll(async () => {
  await service.stop()
  await reservation.close()
  await server.drop()
})

const health = () => fetch(`${service.url}/health/ready`)

const timeoutIn = (ms: number, delaySeconds = Math.max(1, Math.round(ms / 1_000))) => ({
  reservationId: randomUUID(),
  dueAt: new Date(Date.now() + ms).toISOString(),
  delaySeconds,
})
type Timeout = ReturnType<typeof timeoutIn>

async function schedule(timeout: Timeout): Promise<void> {
  await say(JSON.stringify(wrap(send(ScheduleTimeout, timeout), 'reservation')))
}

async function say(content: string, routingKey = typeOf(ScheduleTimeout)): Promise<void> {
  const options = { persistent: true, mandatory: true, messageId: randomUUID() }
  await reservation.publish({ exchange: commandExchange, routingKey, content: Buffer.from(content), options })
}

const announcements = ({ reservationId }: Timeout) =>
  heard.filter(({ envelope }) => envelope.correlationid === reservationId)

async function announced(timeout: Timeout, withinMs = 10_000): Promise<Heard & { lateMs: number }> {
  const [first] = await eventually(
    `${timeout.delaySeconds} s are over`,
    async () => {
      const found = announcements(timeout)
      return found.length > 0 && found
    },
    withinMs,
  )
  if (!first) throw new Error('heard nothing')
  return { ...first, lateMs: first.at - Date.parse(timeout.dueAt) }
}

describe('a timeout', () => {
  test('is announced when it is due, not before, with the id that its body stands for', async () => {
    const timeout = timeoutIn(2_000)
    const cause = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, causationId: 'request-1' }
    await inContext(cause, () => schedule(timeout))
    const { envelope, lateMs } = await announced(timeout)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThan(2_000)
    const due = { reservationId: timeout.reservationId, dueAt: timeout.dueAt }
    expect(envelope).toMatchObject({
      id: messageIdOf(send(HoldDue, due)),
      type: typeOf(HoldDue),
      correlationid: timeout.reservationId,
      causationid: messageIdOf(send(ScheduleTimeout, timeout)),
      traceparent: expect.stringMatching(new RegExp(`^00-${'a'.repeat(32)}-`)),
      data: due,
    })
  })

  test('that is overdue already is announced at once', async () => {
    const timeout = timeoutIn(-60_000, 900)
    await schedule(timeout)
    await announced(timeout, 2_000)
  })

  test('whose hold has mostly passed is announced in time, by nearer steps', async () => {
    const timeout = timeoutIn(3_400, 900)
    await schedule(timeout)
    const { lateMs } = await announced(timeout)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThan(3_000)
  })

  test('does not wait behind a longer one', async () => {
    const [long, short, middle] = [timeoutIn(60_000), timeoutIn(1_000), timeoutIn(3_000)]
    for (const timeout of [long, middle, short]) await schedule(timeout)
    expect((await announced(short)).lateMs).toBeGreaterThanOrEqual(0)
    expect(announcements(middle)).toHaveLength(0)
    expect((await announced(middle)).lateMs).toBeGreaterThanOrEqual(0)
    expect(announcements(long)).toHaveLength(0)
  })

  test('said twice is announced with one and the same id', async () => {
    const timeout = timeoutIn(1_000)
    await Promise.all([schedule(timeout), schedule(timeout)])
    const found = await eventually('both', async () => {
      const all = announcements(timeout)
      return all.length === 2 && all
    })
    expect(new Set(found.map(({ envelope }) => envelope.id)).size).toBe(1)
  })

  test('that nobody can read is a dead letter, and the next one is announced', async () => {
    const broken = ['not JSON', '{}', JSON.stringify(wrap(send(HoldDue, timeoutIn(0)), 'reservation'))]
    for (const content of broken) await say(content)
    const timeout = timeoutIn(1_000)
    await schedule(timeout)
    await announced(timeout)
    expect(await eventually('dead letters', async () => dead.length === broken.length && dead)).toEqual(broken)
  })

  test('of a burst of many at once is announced, each of them', async () => {
    const burst = Array.from({ length: 500 }, () => timeoutIn(4_000, 4))
    await Promise.all(burst.map(schedule))
    const all = await Promise.all(burst.map((timeout) => announced(timeout, 15_000)))
    expect(Math.min(...all.map(({ lateMs }) => lateMs))).toBeGreaterThanOrEqual(0)
  })
})

describe('the broker', () => {
  test('cutting every connection loses no timeout', async () => {
    const before = timeoutIn(9_000)
    await schedule(before)
    // The management API learns of a connection only seconds after it was opened.
    await eventually('connections were cut', async () => (await server.cutConnections()) >= 2, 15_000)
    const after = timeoutIn(1_000)
    await eventually('connected again', async () => {
      await schedule(after)
      return true
    })
    expect((await announced(after, 15_000)).lateMs).toBeGreaterThanOrEqual(0)
    expect((await announced(before, 15_000)).lateMs).toBeGreaterThanOrEqual(0)
    expect(await (await health()).json()).toMatchObject({ status: 'ok', checks: { broker: 'ok' } })
  })

  test('waits in the delayed exchange where it has one, else in a queue of its own', async () => {
    const plugin = await hasExchangeType(server.url, 'x-delayed-message', { 'x-delayed-type': 'direct' })
    await schedule(timeoutIn(120_000))
    const sentinel = timeoutIn(-1)
    await schedule(sentinel)
    await announced(sentinel)
    await eventually('it waits', async () => (await server.hasQueue('holdfast.delay.120')) !== plugin)
  })

  test('deleting what waits costs what is in it, and no timeout after that', async () => {
    const lost = timeoutIn(2_000)
    await schedule(lost)
    await sleep(200)
    // Whichever of the two it has.
    await server.deleteQueue('holdfast.delay.2')
    await server.deleteExchange('holdfast.delay')
    const next = timeoutIn(2_000)
    await schedule(next)
    expect((await announced(next, 20_000)).lateMs).toBeGreaterThanOrEqual(0)
  })

  test('deleting what is due takes it from the plugin’s hands as well, and both are there again', async () => {
    await server.deleteQueue('holdfast.timeout.due')
    const next = timeoutIn(2_000)
    await eventually('it is scheduled', () => schedule(next).then(() => true))
    expect((await announced(next, 20_000)).lateMs).toBeGreaterThanOrEqual(0)
  })
})

test('its lateness is measured', async () => {
  const timeout = timeoutIn(-1_000)
  await schedule(timeout)
  await announced(timeout)
  const metrics = await (await fetch(`${service.url}/metrics`)).text()
  expect(metrics).toMatch(/holdfast_timeout_lateness_seconds_count [1-9]/)
})
