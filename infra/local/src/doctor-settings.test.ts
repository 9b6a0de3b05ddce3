import { expect, test } from '@jest/globals'
import { judgeSkew } from './doctor-finding.ts'
import { checkSettings } from './doctor-settings.ts'

const database = (role: string, host = 'db.example.com') =>
  `postgres://${role}:secret@${host}:5432/${role}?sslmode=verify-full`
const production = {
  NODE_ENV: 'production',
  INVENTORY_DATABASE_URL: database('inventory'),
  RESERVATION_DATABASE_URL: database('reservation'),
  PAYMENT_DATABASE_URL: database('payment'),
  RABBITMQ_URL: 'amqps://holdfast:secret@mq.example.com:5671',
  STRIPE_SECRET_KEY: 'rk_live_abc',
  STRIPE_PUBLISHABLE_KEY: 'pk_live_abc',
  STRIPE_WEBHOOK_SECRET: 'whsec_abc',
  COGNITO_USER_POOL_ID: 'us-east-1_AbCdEf123',
  COGNITO_CLIENT_ID: 'client',
}
const faultsOf = (changes: Record<string, string | undefined>) =>
  checkSettings({ ...production, ...changes }).filter(({ verdict }) => verdict === 'fault' || verdict === 'warning')

test('settings as docs/production.md ends with them have no fault', () => {
  expect(faultsOf({})).toEqual([])
})

test.each([
  ['a database that is missing', { PAYMENT_DATABASE_URL: undefined }, 'PAYMENT_DATABASE_URL is not set'],
  ['one that two services share', { PAYMENT_DATABASE_URL: database('reservation') }, 'Two services share a database'],
  ['a database without TLS', { PAYMENT_DATABASE_URL: 'postgres://p:s@db.example.com/p' }, 'no TLS'],
  [
    'a node of a cluster without TLS',
    { RABBITMQ_URL: 'amqps://h:s@mq-1.example.com,amqp://h:s@mq-2.example.com' },
    'RABBITMQ_URL: no TLS',
  ],
  [
    'a node of a cluster that is no URL',
    { RABBITMQ_URL: 'amqps://h:s@mq-1.example.com,mq-2' },
    'RABBITMQ_URL is not set',
  ],
  ['a broker without TLS', { RABBITMQ_URL: 'amqp://h:s@mq.example.com' }, 'RABBITMQ_URL: no TLS'],
  ['a stand-in in production', { STRIPE_API_URL: 'http://127.0.0.1:12111' }, 'STRIPE_API_URL: a stand-in'],
  ['a test key in production', { STRIPE_SECRET_KEY: 'sk_test_a', STRIPE_PUBLISHABLE_KEY: undefined }, 'a test key'],
  ['keys of two modes', { STRIPE_PUBLISHABLE_KEY: 'pk_test_a' }, 'another mode'],
  ['a webhook secret that is none', { STRIPE_WEBHOOK_SECRET: 'we_123' }, 'STRIPE_WEBHOOK_SECRET'],
  ['a pool that is none', { COGNITO_USER_POOL_ID: 'AbCdEf123' }, 'COGNITO_USER_POOL_ID'],
])('%s is found, and there is a way to mend it', (_, changes, says) => {
  const [found, ...others] = faultsOf(changes)
  expect(found).toMatchObject({ says: expect.stringContaining(says), mend: expect.stringMatching(/\S/) })
  expect(others.filter(({ says }) => !says.includes('share'))).toEqual([])
})

test('no finding shows a secret', () => {
  const said = JSON.stringify(checkSettings({ ...production, RABBITMQ_URL: 'amqp://holdfast:secret@mq.example.com' }))
  expect(said).not.toMatch(/secret@|live_abc|whsec_abc/)
})

test.each([
  [500, 'ok'],
  [5_000, 'warning'],
  [60_000, 'fault'],
])('a clock that is %i ms ahead is judged: %s', (ms, verdict) => {
  expect(judgeSkew('theirs', 10_000 + ms, 9_990, 10_000).verdict).toBe(verdict)
})
