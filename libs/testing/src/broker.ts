import { randomBytes } from 'node:crypto'
import { required } from './database.ts'
import { manage } from './management.ts'

/** A virtual host of its own for a test file, on the broker that `npm test` has started. */
export interface TestBroker {
  readonly url: string
  /** Has the broker close every connection to this virtual host; how many there were. */
  cutConnections(): Promise<number>
  countChannels(): Promise<number>
  hasQueue(name: string): Promise<boolean>
  deleteQueue(name: string): Promise<void>
  deleteExchange(name: string): Promise<void>
  drop(): Promise<void>
}

export async function createTestBroker(): Promise<TestBroker> {
  const amqp = new URL(required('TEST_RABBITMQ_URL'))
  const vhost = `test-${randomBytes(6).toString('hex')}`
  await ask('PUT', `/api/vhosts/${vhost}`)
  await ask('PUT', `/api/permissions/${vhost}/${amqp.username}`, { configure: '.*', write: '.*', read: '.*' })
  amqp.pathname = `/${vhost}`
  return {
    url: amqp.toString(),
    cutConnections: async () => {
      const connections = (await ask('GET', `/api/vhosts/${vhost}/connections`)) as { name: string }[]
      for (const { name } of connections) await ask('DELETE', `/api/connections/${encodeURIComponent(name)}`)
      return connections.length
    },
    countChannels: async () => ((await ask('GET', `/api/vhosts/${vhost}/channels`)) as unknown[]).length,
    hasQueue: async (name) => {
      const queues = (await ask('GET', `/api/queues/${vhost}?columns=name`)) as { name: string }[]
      return queues.some((queue) => queue.name === name)
    },
    deleteQueue: async (name) => {
      await ask('DELETE', `/api/queues/${vhost}/${encodeURIComponent(name)}`)
    },
    deleteExchange: async (name) => {
      await ask('DELETE', `/api/exchanges/${vhost}/${encodeURIComponent(name)}`)
    },
    drop: async () => {
      await ask('DELETE', `/api/vhosts/${vhost}`)
    },
  }
}

const ask = (method: 'GET' | 'PUT' | 'DELETE', path: string, body?: object) =>
  manage(required('TEST_RABBITMQ_MANAGEMENT_URL'), method, path, body)
