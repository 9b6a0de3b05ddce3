import { randomUUID } from 'node:crypto'
import { setImmediate as endOfTurn } from 'node:timers/promises'
import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { Envelope, type RequestDefinition, type ServiceName, send, typeOf } from '@holdfast/contracts/message'
import { definitionOf } from '@holdfast/contracts/messages/all'
import { answerBy, inContext } from '@holdfast/runtime/context'
import type { Logger } from '@holdfast/runtime/logger'
import { metrics } from '@holdfast/runtime/metrics'
import { reached } from '@holdfast/runtime/moments'
import { z } from 'zod'
import type { Broker, Consumer, Delivery } from './broker.ts'
import { createBundler } from './bundle.ts'
import { wrap } from './envelope.ts'
import type { Answerer } from './handler.ts'
import { contextOf } from './receive.ts'
import { requestQueueOf } from './topology.ts'

/** Questions over the broker whose answer somebody waits for. Nothing here is durable: who gets no answer asks again. */

const Reply = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), data: z.unknown() }),
  z.object({ ok: z.literal(false), unavailable: z.boolean(), reason: z.string() }),
])
type Reply = z.infer<typeof Reply>

/** On the wire: what was asked, and what was answered, in one turn of the event loop. */
const Questions = z.array(z.object({ id: z.string(), envelope: z.unknown() }))
const Answers = z.array(z.object({ id: z.string(), reply: Reply }))
const bundleLimit = 100

export type Ask = <Body extends z.ZodType, Answer extends z.ZodType>(
  definition: RequestDefinition<Body, Answer>,
  body: z.infer<Body>,
) => Promise<z.infer<Answer>>

/** Within the five seconds after which a client is answered 503; less if its request has been under way for a while. */
const patienceMs = 4_000
/** Questions under way at one time; one more is turned away at once. */
const limit = 5_000

interface Waiting extends PromiseWithResolvers<Reply> {
  /** Milliseconds since 1970. */
  readonly until: number
}

export function createAsker(broker: Broker, service: ServiceName): Ask {
  const waiting = new Map<string, Waiting>()
  let replyQueue: string | undefined

  broker.consume('', { prefetch: limit, noAck: true, onQueue: (name) => (replyQueue = name) }, ({ content }) => {
    // An answer that nobody waits for any more came after its caller had lost patience.
    for (const { id, reply } of Answers.parse(JSON.parse(content.toString()))) waiting.get(id)?.resolve(reply)
  })

  const sendSoon = createBundler<z.infer<typeof Questions>[number]>(bundleLimit, (queue, questions) => {
    // Nobody is to work for those who have gone: when the last of them has, the broker throws it away.
    const last = Math.max(...questions.map(({ id }) => waiting.get(id)?.until ?? 0))
    const expiration = Math.max(last - Date.now(), 1)
    try {
      broker.post({
        exchange: '',
        routingKey: queue,
        content: Buffer.from(JSON.stringify(questions)),
        options: { replyTo: replyQueue, expiration },
      })
    } catch (error) {
      for (const { id } of questions) waiting.get(id)?.reject(error)
    }
  })

  return async (definition, body) => {
    const type = typeOf(definition)
    const [to] = definition.to
    if (!to || !replyQueue) throw new Unavailable('the broker is not reachable')
    if (waiting.size >= limit) throw new Unavailable(`too many questions are waiting for ${to}`)
    const until = answerBy(patienceMs)
    const leftMs = until - Date.now()
    // It would be carried out for nobody.
    if (leftMs <= 0) throw new Unavailable(`there is no time left to ask ${to}`)
    const id = randomUUID()
    const end = metrics.requestSeconds.startTimer({ type })
    const answered = Promise.withResolvers<Reply>()
    const timer = setTimeout(() => answered.reject(new Unavailable(`${to} did not answer in time`)), leftMs)
    waiting.set(id, { ...answered, until })
    try {
      sendSoon(requestQueueOf(to), { id, envelope: wrap(send(definition, body), service) })
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

  const replySoon = createBundler<z.infer<typeof Answers>[number]>(bundleLimit, (queue, answers) => {
    try {
      broker.post({ exchange: '', routingKey: queue, content: Buffer.from(JSON.stringify(answers)), options: {} })
    } catch {
      // The broker is away: whoever asked will ask again.
    }
  })

  async function respond(delivery: Delivery): Promise<void> {
    const answerEach = questionsIn(delivery, logger).map(async ({ id, envelope }) => {
      const reply = await answerOne(envelope, byType, logger)
      reached('before-reply')
      if (delivery.replyTo) replySoon(delivery.replyTo, { id, reply })
    })
    await Promise.all(answerEach)
    // After the answers, which leave at the end of this turn.
    await endOfTurn()
    delivery.ack()
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

function questionsIn(delivery: Delivery, logger: Logger): z.infer<typeof Questions> {
  try {
    return Questions.parse(JSON.parse(delivery.content.toString()))
  } catch (error) {
    logger.error({ reason: reasonOf(error).slice(0, 500) }, 'questions that nobody can read')
    return []
  }
}

async function answerOne(asked: unknown, byType: ReadonlyMap<string, Answerer>, logger: Logger): Promise<Reply> {
  let type = 'malformed'
  try {
    const envelope = Envelope.parse(asked)
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
