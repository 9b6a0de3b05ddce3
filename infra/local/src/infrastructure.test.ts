import { expect, test } from '@jest/globals'
import { obtainPostgres, obtainRabbitmq } from './infrastructure.ts'
import type { Context } from './session.ts'

/** Where the environment names a server, nothing else of the context is looked at. */
const naming = (environment: NodeJS.ProcessEnv) => ({ environment }) as Context

test('a Postgres that is named by no URL is told by the name of its setting', async () => {
  await expect(obtainPostgres(naming({ POSTGRES_URL: 'nonsense' }))).rejects.toThrow('POSTGRES_URL is no URL.')
})

test.each([
  [{ RABBITMQ_URL: 'nonsense' }, 'RABBITMQ_URL is no URL.'],
  [{ RABBITMQ_URL: 'amqp://127.0.0.1:1,nonsense' }, 'RABBITMQ_URL is no URL.'],
  [{ RABBITMQ_URL: 'amqp://127.0.0.1:1', RABBITMQ_MANAGEMENT_URL: 'nonsense' }, 'RABBITMQ_MANAGEMENT_URL is no URL.'],
  [
    { RABBITMQ_URL: 'amqp://127.0.0.1:1' },
    /^No broker lets us in at what RABBITMQ_URL names: 127\.0\.0\.1:1: .*ECONNREFUSED/,
  ],
])('so is a broker, and one that is not there: %j', async (environment, message) => {
  await expect(obtainRabbitmq(naming(environment))).rejects.toThrow(message)
})

test('of a cluster one node that answers is enough', async () => {
  const { TEST_RABBITMQ_URL: there, TEST_RABBITMQ_MANAGEMENT_URL: management } = process.env
  const url = `amqp://127.0.0.1:1,${there}`
  const found = await obtainRabbitmq(naming({ RABBITMQ_URL: url, RABBITMQ_MANAGEMENT_URL: management }))
  expect({ url: found.url, running: found.running }).toEqual({ url, running: [] })
})
