import { Unavailable } from '../../libs/contracts/src/errors.ts'
import { type ServiceName, typeOf } from '../../libs/contracts/src/message.ts'
import { allMessages } from '../../libs/contracts/src/messages/all.ts'
import { forever, type Process } from './process.ts'
import type { World } from './world.ts'

/**
 * RabbitMQ: a queue for each service, whose messages come late, in any order, twice, or never. Never is what a wiped broker
 * does to durable messages, too: nothing here is the only copy of anything.
 */
export interface Bus {
  /** Returns when the broker has confirmed; a confirm may get lost though the message did not. */
  publish(process: Process, type: string, content: Buffer): Promise<void>
  /** A question to one instance of a service; what it answers, or nothing at all. */
  post(to: ServiceName, content: Buffer, answered: (reply: string) => void): void
  /** The delayed exchange: gives a message back after a while. */
  delay(to: ServiceName, content: Buffer, ms: number): void
  connect(service: ServiceName, consumer: Consumer): void
  /** The broker loses all it has. */
  wipe(): void
}

export interface Consumer {
  readonly process: Process
  isPaused(): boolean
  /** Resolves when it is acknowledged; rejects when it is given back. */
  receive(content: Buffer, redelivered: boolean): Promise<void>
  answer(content: Buffer): Promise<string>
}

interface Delivery {
  readonly to: ServiceName
  readonly type: string
  readonly content: Buffer
}

const againMs = 300
const questionTtlMs = 4_000
const hearers = new Map<string, readonly ServiceName[]>(allMessages().map((message) => [typeOf(message), message.to]))

export function createBus(world: World): Bus {
  const { clock, random, faults } = world
  const consumers = new Map<ServiceName, Consumer[]>()
  /** What the broker has: on its way, or delivered and not acknowledged. */
  const kept = new Set<Delivery>()

  const delayMs = () => (random.chance(faults.reorder) ? random.between(1, 3_000) : random.between(1, 20))

  function alive(service: ServiceName): Consumer | undefined {
    const ready = (consumers.get(service) ?? []).filter(({ process, isPaused }) => process.isAlive() && !isPaused())
    return ready.length > 0 ? random.pick(ready) : undefined
  }

  function enqueue(to: ServiceName, type: string, content: Buffer, ms: number): void {
    const delivery = { to, type, content }
    kept.add(delivery)
    schedule(delivery, ms, false)
  }

  function schedule(delivery: Delivery, ms: number, redelivered: boolean): void {
    clock.after(ms, () => {
      if (!kept.has(delivery)) return
      const consumer = alive(delivery.to)
      if (!consumer) return schedule(delivery, againMs, redelivered)
      world.start(deliver(consumer, delivery, redelivered))
    })
  }

  async function deliver(consumer: Consumer, delivery: Delivery, redelivered: boolean): Promise<void> {
    let isUnacknowledged = true
    const again = () => {
      // What its consumer took with it is delivered once more.
      if (isUnacknowledged && kept.has(delivery)) schedule(delivery, delayMs(), true)
      isUnacknowledged = false
    }
    consumer.process.onDeath(again)
    try {
      await consumer.receive(delivery.content, redelivered)
    } catch {
      return again()
    }
    if (!isUnacknowledged) return
    if (consumer.process.dies('before it acknowledges a message')) return
    isUnacknowledged = false
    kept.delete(delivery)
  }

  function accept(to: ServiceName, type: string, content: Buffer): void {
    if (world.fails('drop')) {
      world.tell(`the broker loses ${type} on its way to ${to}`)
      return
    }
    enqueue(to, type, content, delayMs())
    if (!world.fails('duplicate')) return
    world.tell(`the broker delivers ${type} to ${to} twice`)
    enqueue(to, type, content, delayMs())
  }

  async function ask(to: ServiceName, content: Buffer, answered: (reply: string) => void): Promise<void> {
    const reply = await alive(to)?.answer(content)
    if (reply !== undefined && !world.fails('drop')) clock.after(delayMs(), () => answered(reply))
  }

  return {
    publish: async (process, type, content) => {
      await process.pause()
      if (process.dies(`before it publishes ${type}`)) return forever()
      if (world.isAway('broker')) throw new Unavailable('the broker is not reachable')
      for (const to of hearers.get(type) ?? []) accept(to, type, content)
      await process.pause()
      if (process.dies(`after it published ${type}`)) return forever()
      if (world.fails('confirm')) throw new Unavailable('the broker did not confirm')
    },
    post: (to, content, answered) => {
      if (world.isAway('broker')) throw new Unavailable('the broker is not reachable')
      if (world.fails('drop')) return
      const sentAt = clock.now()
      const times = world.fails('duplicate') ? 2 : 1
      for (let i = 0; i < times; i += 1)
        clock.after(delayMs(), () => {
          if (clock.now() <= sentAt + questionTtlMs) world.start(ask(to, content, answered))
        })
    },
    delay: (to, content, ms) => enqueue(to, 'a timer', content, ms),
    connect: (service, consumer) => {
      const others = (consumers.get(service) ?? []).filter(({ process }) => process.isAlive())
      consumers.set(service, [...others, consumer])
    },
    wipe: () => {
      world.tell(`the broker is wiped, and with it ${[...kept].map(({ type }) => type).join(', ') || 'nothing'}`)
      kept.clear()
    },
  }
}
