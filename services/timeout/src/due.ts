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

/** What a delivery says; throws when it is no ScheduleTimeout. */
export function read(content: Buffer): Scheduled {
  const envelope = Envelope.parse(JSON.parse(content.toString()))
  if (envelope.type !== typeOf(ScheduleTimeout)) throw new Error(`${envelope.type} is not heard here`)
  return { envelope, timeout: ScheduleTimeout.body.parse(envelope.data) }
}

/**
 * Announces what is due, and has the broker wait for what is not. The very message waits, so a wake-up knows whose it is,
 * and one that comes early (a step on the way, a clock that differs) is simply armed again.
 */
export async function armOrAnnounce(broker: Broker, arm: Arm, content: Buffer, scheduled: Scheduled): Promise<void> {
  const { envelope, timeout } = scheduled
  const remaining = remainingMs(timeout, Date.now())
  if (remaining > 0) return arm({ id: envelope.id, content, timeout, remainingMs: remaining })
  await announce(broker, scheduled)
  lateness.observe(latenessMs(timeout, Date.now()) / 1_000)
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
