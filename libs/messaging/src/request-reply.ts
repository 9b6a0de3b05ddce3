import { randomUUID } from 'node:crypto'
import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { Envelope, type RequestDefinition, type ServiceName, send, typeOf } from '@holdfast/contracts/message'
import { definitionOf } from '@holdfast/contracts/messages/all'
import { inContext } from '@holdfast/runtime/context'
import type { Logger } from '@holdfast/runtime/logger'
import { metrics } from '@holdfast/runtime/metrics'
import { z } from 'zod'
import type { Broker, Consumer, Delivery } from './broker.ts'
import { wrap } from './envelope.ts'
import type { Answerer } from './handler.ts'
import { contextOf } from './receive.ts'
import { requestQueueOf } from './topology.ts'

/** Questions over the broker whose answer somebody waits for. Nothing here is durable: who gets no answer asks again. */

const Reply = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), data: z.unknown() }),
  z.object({ ok: z.literal(false), unavailable: z.boolean(), reason: z.string() }),
])

export type Ask = <Body extends z.ZodType, Answer extends z.ZodType>(
  definition: RequestDefinition<Body, Answer>,
  body: z.infer<Body>,
) => Promise<z.infer<Answer>>

/** Within the five seconds after which a client is answered 503. */
const patienceMs = 4_000
/** Questions under way at one time; one more is turned away at once. */
const limit = 5_000

export function createAsker(broker: Broker, service: ServiceName): Ask {
  const waiting = new Map<string, (reply: z.infer<typeof Reply>) => void>()
  let replyQueue: string | undefined

  broker.consume('', { prefetch: limit, noAck: true, onQueue: (name) => (replyQueue = name) }, (delivery) => {
    const resolve = waiting.get(delivery.correlationId ?? '')
    // Nobody waits any more: the answer came after the caller had lost patience.
    if (resolve) resolve(Reply.parse(JSON.parse(delivery.content.toString())))
  })

  return async (definition, body) => {
    const type = typeOf(definition)
    const [to] = definition.to
    if (!to || !replyQueue) throw new Unavailable('the broker is not reachable')
    if (waiting.size >= limit) throw new Unavailable(`too many questions are waiting for ${to}`)
    const id = randomUUID()
    const end = metrics.requestSeconds.startTimer({ type })
    const answered = Promise.withResolvers<z.infer<typeof Reply>>()
    const timer = setTimeout(() => answered.reject(new Unavailable(`${to} did not answer in time`)), patienceMs)
    waiting.set(id, answered.resolve)
    try {
      broker.post({
        exchange: '',
        routingKey: requestQueueOf(to),
        content: Buffer.from(JSON.stringify(wrap(send(definition, body), service))),
        options: { correlationId: id, replyTo: replyQueue, expiration: patienceMs },
      })
      const reply = await answered.promise
      end({ outcome: reply.ok ? 'answered' : 'failed' })
      if (reply.ok) return definition.reply.parse(reply.data)
      if (reply.unavailable) throw new Unavailable(reply.reason)
      throw new Error(`${to} failed at ${type}: ${reply.reason}`)
    } catch (error) {
      if (error instanceof Unavailable) end({ outcome: 'unavailable' })
      throw error
    } finally {
      clearTimeout(timer)
      waiting.delete(id)
    }
  }
}

/** Questions handled at one time by one instance. */
const concurrency = 500

export interface AnswererLoop {
  readonly consumer: Consumer
  /** Resolves when nothing is being answered. */
  idle(): Promise<void>
}

export function startAnswering(
  broker: Broker,
  service: ServiceName,
  answerers: readonly Answerer[],
  logger: Logger,
): AnswererLoop {
  const byType = new Map(answerers.map((answerer) => [typeOf(answerer.definition), answerer]))
  const working = new Set<Promise<void>>()

  async function respond(delivery: Delivery): Promise<void> {
    const reply = await answerOne(delivery, byType, logger)
    try {
      if (delivery.replyTo)
        broker.post({
          exchange: '',
          routingKey: delivery.replyTo,
          content: Buffer.from(JSON.stringify(reply)),
          options: { correlationId: delivery.correlationId },
        })
      delivery.ack()
    } catch {
      // The broker is away: the question is delivered again, or its caller asks again.
    }
  }

  const consumer = broker.consume(requestQueueOf(service), { prefetch: concurrency }, (delivery) => {
    const work = respond(delivery).finally(() => working.delete(work))
    working.add(work)
  })
  return {
    consumer,
    idle: async () => {
      while (working.size > 0) await Promise.all(working)
    },
  }
}

async function answerOne(
  delivery: Delivery,
  byType: ReadonlyMap<string, Answerer>,
  logger: Logger,
): Promise<z.infer<typeof Reply>> {
  let type = 'malformed'
  try {
    const envelope = Envelope.parse(JSON.parse(delivery.content.toString()))
    type = envelope.type
    const answerer = byType.get(type)
    const definition = definitionOf(type)
    if (!answerer || !definition) throw new Error(`nobody here answers ${type}`)
    const body = definition.body.parse(envelope.data)
    const end = metrics.messageSeconds.startTimer({ type })
    const data = await inContext(contextOf(envelope), () => answerer.answer(body))
    end({ outcome: 'done' })
    return { ok: true, data }
  } catch (error) {
    const unavailable = error instanceof Unavailable
    if (unavailable) logger.warn({ err: error, type }, 'a question could not be answered now')
    else logger.error({ err: error, type }, 'a question could not be answered')
    return { ok: false, unavailable, reason: reasonOf(error) }
  }
}
