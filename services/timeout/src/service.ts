import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '@holdfast/contracts/errors'
import { createServer } from '@holdfast/http/server'
import { type Broker, type Consumer, type Delivery, openBroker } from '@holdfast/messaging/broker'
import { joined, queueOf, systemTopology } from '@holdfast/messaging/topology'
import { createLogger, type Logger } from '@holdfast/runtime/logger'
import type { Running } from '@holdfast/runtime/run'
import type { Settings } from './config.ts'
import { type Arm, dueQueue, openDelays } from './delay-exchange.ts'
import { armOrAnnounce, read } from './due.ts'

/** Timeout: waits for the end of holds, and owns nothing. What it forgets, the sweep in reservation finds. */
export async function startTimeout(settings: Settings): Promise<Running & { url: string }> {
  const logger = createLogger('timeout', settings)
  const name = settings.SERVICE_INSTANCE ?? 'timeout'
  const delays = openDelays(logger)
  const broker = openBroker({
    urls: settings.RABBITMQ_URL,
    name,
    topology: async (url) => joined(systemTopology(), await delays.topologyAt(url)),
    logger,
  })
  const ended = new AbortController()
  const timeouts = consume(broker, delays.armOn(broker), logger, ended.signal)

  const app = createServer({
    logger,
    ready: {
      running: () => !ended.signal.aborted,
      broker: () => broker.connected(),
    },
  })
  const url = await app.listen({ host: settings.HOST, port: settings.PORT })
  logger.info({ url }, 'started')

  return {
    url,
    logger,
    stop: async () => {
      ended.abort()
      await timeouts.stop()
      await Promise.all([app.close(), broker.close()])
    },
  }
}

/** Messages on their way to the broker at one time; what is announced is not delayed by what is being armed. */
const prefetch = 200
/** After a failure, before the message goes back: the broker is away, and asking it at once again would only spin. */
const pauseMs = 500

function consume(broker: Broker, arm: Arm, logger: Logger, ended: AbortSignal) {
  const working = new Set<Promise<void>>()

  async function handle(delivery: Delivery): Promise<void> {
    const scheduled = readOrReject(delivery, logger)
    if (!scheduled) return
    try {
      await armOrAnnounce(broker, arm, scheduled)
      delivery.ack()
    } catch (error) {
      logger.warn({ reason: reasonOf(error), timeouts: scheduled.length }, 'not armed; giving back')
      await sleep(pauseMs, undefined, { signal: ended }).catch(() => {})
      delivery.giveBack()
    }
  }

  const hear = (queue: string): Consumer =>
    broker.consume(queue, { prefetch }, (delivery) => {
      const work = handle(delivery).finally(() => working.delete(work))
      working.add(work)
    })
  const consumers = [hear(queueOf('timeout')), hear(dueQueue)]

  return {
    stop: async () => {
      await Promise.all(consumers.map((consumer) => consumer.pause()))
      while (working.size > 0) await Promise.all(working)
    },
  }
}

/** What nobody can read will not become readable: to the dead letters, where an operator finds it. */
function readOrReject(delivery: Delivery, logger: Logger) {
  try {
    return read(delivery.content)
  } catch (error) {
    logger.error({ reason: reasonOf(error).slice(0, 500) }, 'a message is no timeout: a dead letter')
    delivery.reject()
    return undefined
  }
}
