import { type MessageDefinition, type ServiceName, typeOf } from '@holdfast/contracts/message'
import { allMessages } from '@holdfast/contracts/messages/all'

/**
 * What RabbitMQ has to have, as data, derived from the contracts. Every service declares all of it at each connection:
 * nobody has to start first, and a broker that was wiped is whole again.
 */
export interface Topology {
  readonly exchanges: readonly { name: string; type: string; arguments?: Record<string, unknown> }[]
  readonly queues: readonly { name: string; arguments: Record<string, unknown> }[]
  readonly bindings: readonly { queue: string; exchange: string; key: string }[]
}

export const commandExchange = 'holdfast.commands'
export const eventExchange = 'holdfast.events'
const deadExchange = 'holdfast.dead'
const unroutedExchange = 'holdfast.unrouted'

/** Commands and events of one service. */
export const queueOf = (service: ServiceName) => `holdfast.${service}`
/** Questions to one service. */
export const requestQueueOf = (service: ServiceName) => `holdfast.${service}.requests`
/** What the broker itself gave up on; the service moves it to its table of failed messages. */
export const deadQueueOf = (service: ServiceName) => `holdfast.${service}.dead`

/** Deliveries before a quorum queue gives up on them: with one message that kills its consumer each time all go that travel with it. */
export const deliveryLimit = 20
/** So we give up on it before, and what comes after it is spared. */
export const mostDeliveries = deliveryLimit - 2
/** As good as none; a plain number, which every version takes. */
const deadQueueDeliveryLimit = 1_000_000
/** No caller waits longer than this for an answer. */
const requestTtlMs = 5_000
const requestQueueLimit = 20_000
const unroutedQueueLimit = 100_000

export function exchangeOf(definition: MessageDefinition): string {
  return definition.kind === 'event' ? eventExchange : commandExchange
}

export function systemTopology(): Topology {
  const messages = allMessages()
  const services = [...new Set(messages.flatMap((message) => message.to))].sort()
  const durable = messages.filter((message) => message.kind !== 'request')
  return {
    exchanges: [
      { name: deadExchange, type: 'direct' },
      { name: unroutedExchange, type: 'fanout' },
      { name: commandExchange, type: 'direct' },
      { name: eventExchange, type: 'topic', arguments: { 'alternate-exchange': unroutedExchange } },
    ],
    queues: [
      { name: unroutedExchange, arguments: { ...replicated, 'x-max-length': unroutedQueueLimit } },
      ...services.flatMap((service) => [
        // The last stop: nothing may fall out of it, however often a database that cannot write gives it back.
        {
          name: deadQueueOf(service),
          arguments: { ...replicated, 'x-delivery-limit': deadQueueDeliveryLimit },
        },
        { name: queueOf(service), arguments: workQueue(service) },
        {
          name: requestQueueOf(service),
          // Replicated too, though nothing in it is worth keeping: a classic queue can be neither used nor declared
          // while its one node is away, and then nobody could connect anywhere. See docs/adr/0011.
          arguments: { ...replicated, 'x-message-ttl': requestTtlMs, 'x-max-length': requestQueueLimit },
        },
      ]),
    ],
    bindings: [
      { queue: unroutedExchange, exchange: unroutedExchange, key: '' },
      ...services.map((service) => ({ queue: deadQueueOf(service), exchange: deadExchange, key: service })),
      ...durable.flatMap((message) =>
        message.to.map((service) => ({
          queue: queueOf(service),
          exchange: exchangeOf(message),
          key: typeOf(message),
        })),
      ),
    ],
  }
}

export function joined(one: Topology, other: Topology): Topology {
  return {
    exchanges: [...one.exchanges, ...other.exchanges],
    queues: [...one.queues, ...other.queues],
    bindings: [...one.bindings, ...other.bindings],
  }
}

/** A copy on each node where the broker is a cluster. */
export const replicated = { 'x-queue-type': 'quorum' } as const

/** What cannot be handled goes to the service's dead-letter queue. */
export const workQueue = (service: ServiceName): Record<string, unknown> => ({
  ...replicated,
  'x-delivery-limit': deliveryLimit,
  'x-dead-letter-exchange': deadExchange,
  'x-dead-letter-routing-key': service,
})
