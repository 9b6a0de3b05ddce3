import { Envelope, send, typeOf } from '@holdfast/contracts/message'
import { HoldDue } from '@holdfast/contracts/messages/reservation'
import { ScheduleTimeout } from '@holdfast/contracts/messages/timeout'
import type { Broker } from '@holdfast/messaging/broker'
import { wrap } from '@holdfast/messaging/envelope'
import { commandExchange } from '@holdfast/messaging/topology'
import { inContext } from '@holdfast/runtime/context'
import { Histogram, registry } from '@holdfast/runtime/metrics'
import type { z } from 'zod'
import type { Arm } from './delay-exchange.ts'
import { latenessMs, remainingMs } from './schedule.ts'

export interface Scheduled {
  readonly envelope: Envelope
  readonly timeout: z.infer<typeof ScheduleTimeout.body>
}

const lateness = new Histogram({
  name: 'holdfast_timeout_lateness_seconds',
  help: 'How long after the end of a hold it was announced',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers: [registry],
})

/** What a delivery says, one envelope or several (CloudEvents' batch format); throws when it is no ScheduleTimeout. */
export function read(content: Buffer): Scheduled[] {
  const parsed: unknown = JSON.parse(content.toString())
  return (Array.isArray(parsed) ? parsed : [parsed]).map((each) => {
    const envelope = Envelope.parse(each)
    if (envelope.type !== typeOf(ScheduleTimeout)) throw new Error(`${envelope.type} is not heard here`)
    return { envelope, timeout: ScheduleTimeout.body.parse(envelope.data) }
  })
}

/**
 * Announces what is due, and has the broker wait for what is not. The very messages wait, so a wake-up knows whose it is,
 * and one that comes early (a step on the way, a clock that differs) is simply armed again.
 */
export async function armOrAnnounce(broker: Broker, arm: Arm, scheduled: readonly Scheduled[]): Promise<void> {
  const now = Date.now()
  const due = scheduled.filter(({ timeout }) => remainingMs(timeout, now) === 0)
  const early = scheduled.filter(({ timeout }) => remainingMs(timeout, now) > 0)
  await Promise.all([...together(early, now).map((group) => armGroup(arm, group, now)), ...due.map(announceLate)])

  async function announceLate(one: Scheduled): Promise<void> {
    await announce(broker, one)
    lateness.observe(latenessMs(one.timeout, Date.now()) / 1_000)
  }
}

/** Those that end within a moment of one another wait as one message, until the last of them is due. */
const momentMs = 20

function together(scheduled: readonly Scheduled[], now: number): Scheduled[][] {
  const momentOf = ({ timeout }: Scheduled) =>
    `${timeout.delaySeconds}:${Math.floor(remainingMs(timeout, now) / momentMs)}`
  return [...Map.groupBy(scheduled, momentOf).values()]
}

async function armGroup(arm: Arm, group: readonly Scheduled[], now: number): Promise<void> {
  const last = group.toSorted((a, b) => remainingMs(b.timeout, now) - remainingMs(a.timeout, now))[0]
  if (!last) return
  const content = Buffer.from(JSON.stringify(group.map(({ envelope }) => envelope)))
  await arm({ id: last.envelope.id, content, timeout: last.timeout, remainingMs: remainingMs(last.timeout, now) })
}

async function announce(broker: Broker, { envelope, timeout }: Scheduled): Promise<void> {
  const { reservationId, dueAt } = timeout
  const due = inContext(contextOf(envelope), () => wrap(send(HoldDue, { reservationId, dueAt }), 'timeout'))
  await broker.publish({
    exchange: commandExchange,
    routingKey: due.type,
    content: Buffer.from(JSON.stringify(due)),
    options: { persistent: true, mandatory: true, messageId: due.id, contentType: 'application/cloudevents+json' },
  })
}

const contextOf = (envelope: Envelope) => ({
  traceparent: envelope.traceparent ?? '',
  causationId: envelope.id,
  reservationId: envelope.correlationid,
})
