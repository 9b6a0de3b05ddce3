import { reasonOf } from '@holdfast/contracts/errors'
import type { Channel, ConsumeMessage } from 'amqplib'
import { type Session, withDeadline } from './session.ts'

export interface Delivery {
  readonly content: Buffer
  readonly replyTo: string | undefined
  readonly correlationId: string | undefined
  /** It was delivered before, and whoever had it died or gave it back. */
  readonly redelivered: boolean
  /** Why the broker dead-lettered it, on a dead-letter queue. */
  readonly deathReason: string | undefined
  ack(): void
  /** Back to the queue, for this or another consumer. */
  giveBack(): void
  /** Not to be delivered again: to the dead-letter queue, where the queue has one. */
  reject(): void
}

export interface Consumer {
  /** No more deliveries until `resume`; what was delivered stays with the handlers. */
  pause(): Promise<void>
  resume(): Promise<void>
}

export interface Consumption {
  /** Deliveries that are not acknowledged at one time. */
  readonly prefetch: number
  readonly noAck?: boolean
  /** The name of a private queue, each time there is a new one. */
  readonly onQueue?: (name: string) => void
}

/** A wish to consume that outlives every connection: paused or not, it is made true on each session. */
export interface Subscription extends Consumer {
  /** Rejects when the session has ended over it. */
  startOn(session: Session): Promise<void>
  isOn(session: Session): boolean
}

export function createSubscription(
  queue: string,
  { prefetch, noAck = false, onQueue }: Consumption,
  handle: (delivery: Delivery) => void,
): Subscription {
  let paused = false
  let current: { session: Session; settle: () => Promise<void> } | undefined

  function on(session: Session) {
    let channel: Channel | undefined
    let tag: string | undefined
    let settling: Promise<void> | undefined

    async function begin(): Promise<void> {
      if (!channel) {
        channel = await session.openChannel('a consumer channel')
        await channel.prefetch(prefetch)
      }
      const open = channel
      const name = queue || (await open.assertQueue('', { exclusive: true, autoDelete: true })).queue
      onQueue?.(name)
      const deliver = (message: ConsumeMessage | null) => {
        if (message) handle(deliveryOf(open, message, noAck))
        else session.end(`the queue ${name} was deleted`)
      }
      tag = (await open.consume(name, deliver, { noAck })).consumerTag
    }

    /** The channel stays: what was delivered on it is still to be acknowledged, and the next consumer may have it. */
    async function cease(consumer: string): Promise<void> {
      await channel?.cancel(consumer)
      tag = undefined
    }

    /** One step after the other, until it is as it is wanted: that may change meanwhile. */
    async function makeTrue(): Promise<void> {
      // Only once it is on record as under way may it be over.
      await null
      try {
        while (!session.over && paused === (tag !== undefined))
          await withDeadline(tag === undefined ? begin() : cease(tag), session)
      } catch (error) {
        session.end(reasonOf(error))
        throw error
      } finally {
        settling = undefined
      }
    }

    return {
      session,
      settle: () => {
        settling ??= makeTrue()
        return settling
      },
    }
  }

  async function want(isPaused: boolean): Promise<void> {
    paused = isPaused
    // Where the session ends over it, the next one begins as it is wanted.
    await current?.settle().catch(() => {})
  }

  return {
    startOn: (session) => {
      current = on(session)
      return current.settle()
    },
    isOn: (session) => current?.session === session,
    pause: () => want(true),
    resume: () => want(false),
  }
}

function deliveryOf(channel: Channel, message: ConsumeMessage, noAck: boolean): Delivery {
  const { replyTo, correlationId, headers } = message.properties
  // On a channel that has died meanwhile both throw; the broker delivers the message again by itself.
  const settle = (how: () => void) => (noAck ? undefined : ignoreDeadChannel(how))
  return {
    content: message.content,
    redelivered: message.fields.redelivered,
    replyTo: replyTo as string | undefined,
    correlationId: correlationId as string | undefined,
    deathReason: headers?.['x-first-death-reason'] as string | undefined,
    ack: () => settle(() => channel.ack(message)),
    giveBack: () => settle(() => channel.nack(message, false, true)),
    reject: () => settle(() => channel.nack(message, false, false)),
  }
}

function ignoreDeadChannel(settle: () => void): void {
  try {
    settle()
  } catch {
    // The channel is gone, and with it the delivery: the broker gives it to the next consumer.
  }
}
