import { randomBytes } from 'node:crypto'
import { required } from './database.ts'

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
  await manage('PUT', `/api/vhosts/${vhost}`)
  await manage('PUT', `/api/permissions/${vhost}/${amqp.username}`, { configure: '.*', write: '.*', read: '.*' })
  amqp.pathname = `/${vhost}`
  return {
    url: amqp.toString(),
    cutConnections: async () => {
      const connections = (await manage('GET', `/api/vhosts/${vhost}/connections`)) as { name: string }[]
      for (const { name } of connections) await manage('DELETE', `/api/connections/${encodeURIComponent(name)}`)
      return connections.length
    },
    countChannels: async () => ((await manage('GET', `/api/vhosts/${vhost}/channels`)) as unknown[]).length,
    hasQueue: async (name) => {
      const queues = (await manage('GET', `/api/queues/${vhost}?columns=name`)) as { name: string }[]
      return queues.some((queue) => queue.name === name)
    },
    deleteQueue: async (name) => {
      await manage('DELETE', `/api/queues/${vhost}/${encodeURIComponent(name)}`)
    },
    deleteExchange: async (name) => {
      await manage('DELETE', `/api/exchanges/${vhost}/${encodeURIComponent(name)}`)
    },
    drop: async () => {
      await manage('DELETE', `/api/vhosts/${vhost}`)
    },
  }
}

/** RabbitMQ's management API. A connection that has just gone by itself is as good as deleted. */
async function manage(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown> {
  const { username, password, origin } = new URL(required('TEST_RABBITMQ_MANAGEMENT_URL'))
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const response = await fetch(new URL(path, origin), {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: body ? JSON.stringify(body) : null,
  })
  if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status}`)
  return method === 'GET' ? response.json() : undefined
}
