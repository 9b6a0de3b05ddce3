import { randomBytes } from 'node:crypto'
import { required } from './database.ts'

/** A virtual host of its own for a test file, on the broker that `npm test` has started. */
export interface TestBroker {
  readonly url: string
  drop(): Promise<void>
}

export async function createTestBroker(): Promise<TestBroker> {
  const management = new URL(required('TEST_RABBITMQ_MANAGEMENT_URL'))
  const amqp = new URL(required('TEST_RABBITMQ_URL'))
  const vhost = `test-${randomBytes(6).toString('hex')}`
  const user = decodeURIComponent(amqp.username)
  await call(management, 'PUT', `/api/vhosts/${vhost}`)
  await call(management, 'PUT', `/api/permissions/${vhost}/${encodeURIComponent(user)}`, {
    configure: '.*',
    write: '.*',
    read: '.*',
  })
  amqp.pathname = `/${vhost}`
  return { url: amqp.toString(), drop: () => call(management, 'DELETE', `/api/vhosts/${vhost}`) }
}

async function call(management: URL, method: string, path: string, body?: object): Promise<void> {
  const url = new URL(path, management)
  const credentials = `${decodeURIComponent(management.username)}:${decodeURIComponent(management.password)}`
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: body ? JSON.stringify(body) : null,
  })
  if (!response.ok) throw new Error(`${method} ${url.pathname}: ${response.status} ${await response.text()}`)
}
