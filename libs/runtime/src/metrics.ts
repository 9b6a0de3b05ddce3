import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** One registry a process, in Prometheus' text format at `GET /metrics`. */
export const registry = new Registry()

let collecting = false
/** Event loop, memory and garbage collection, once a process. */
export function collectProcessMetrics(): void {
  if (collecting) return
  collecting = true
  collectDefaultMetrics({ register: registry })
}

/** The database pools of this process, to be looked at when somebody asks. */
export const pools = new Set<{
  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
}>()

/** Steps from half a millisecond to the five seconds after which a caller is answered 503. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export const metrics = {
  httpSeconds: new Histogram({
    name: 'holdfast_http_request_seconds',
    help: 'Duration of HTTP requests',
    labelNames: ['method', 'route', 'status'],
    buckets,
    registers: [registry],
  }),
  messageSeconds: new Histogram({
    name: 'holdfast_message_seconds',
    help: 'Duration of handling a message',
    labelNames: ['type', 'outcome'],
    buckets,
    registers: [registry],
  }),
  requestSeconds: new Histogram({
    name: 'holdfast_broker_request_seconds',
    help: 'Duration of a request to another service over the broker, seen by the caller',
    labelNames: ['type', 'outcome'],
    buckets,
    registers: [registry],
  }),
  published: new Counter({
    name: 'holdfast_outbox_published_total',
    help: 'Messages the broker has confirmed',
    registers: [registry],
  }),
  recovered: new Counter({
    name: 'holdfast_outbox_recovered_total',
    help: 'Messages published from an expired lease: whoever wrote them died or lost the broker',
    registers: [registry],
  }),
  duplicates: new Counter({
    name: 'holdfast_inbox_duplicates_total',
    help: 'Messages that had been handled before',
    labelNames: ['type'],
    registers: [registry],
  }),
  failed: new Counter({
    name: 'holdfast_messages_failed_total',
    help: 'Handlers that failed; the message is tried again later or kept as a dead letter',
    labelNames: ['type', 'fate'],
    registers: [registry],
  }),
  databaseConnections: new Gauge({
    name: 'holdfast_database_connections',
    help: 'Connections of the hot path by what they do; waiting are those who have none',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const sum = { busy: 0, idle: 0, waiting: 0 }
      for (const { totalCount, idleCount, waitingCount } of pools) {
        sum.busy += totalCount - idleCount
        sum.idle += idleCount
        sum.waiting += waitingCount
      }
      for (const [state, count] of Object.entries(sum)) this.set({ state }, count)
    },
  }),
  brokerConnected: new Gauge({
    name: 'holdfast_broker_connected',
    help: '1 while connected to RabbitMQ with everything declared',
    registers: [registry],
  }),
}

export { Counter, Gauge, Histogram }
