import { ConfigError, loadConfig } from '@holdfast/runtime/config'
import { expect, test } from '@jest/globals'
import { Settings } from './config.ts'

const needed = {
  PORT: '8080',
  METRICS_PORT: '9090',
  COGNITO_USER_POOL_ID: 'us-east-1_Abc',
  COGNITO_CLIENT_ID: 'client',
  INVENTORY_URLS: 'http://inventory:8080',
  RESERVATION_URLS: 'http://one:8080, http://two:8080',
  PAYMENT_URLS: 'http://payment:8080',
}
const load = (more: Record<string, string> = {}) => loadConfig(Settings, { ...needed, ...more })
const faultsOf = (more: Record<string, string>) => {
  try {
    load(more)
    return []
  } catch (error) {
    return error instanceof ConfigError ? error.faults.map((fault) => fault.split(/[.:]/)[0]) : [error]
  }
}

test('what is not set is as documented', () => {
  expect(load()).toMatchObject({
    RESERVATION_URLS: ['http://one:8080', 'http://two:8080'],
    RATE_LIMIT_PER_USER: 300,
    RATE_LIMIT_PER_ADDRESS: 1_200,
    UPSTREAM_TIMEOUT_MS: 4_250,
    DOCS_ENABLED: true,
    TRUST_PROXY: false,
  })
  expect(load().CORS_ORIGINS).toBeUndefined()
})

test.each([
  ['PORT', 'x'],
  ['PAYMENT_URLS', 'payment:8080'],
  ['CORS_ORIGINS', 'https://shop.example/path'],
  ['CORS_ORIGINS', 'shop.example'],
  ['TRUST_PROXY', 'true'],
  ['TRUST_PROXY', 'all of them'],
  ['RATE_LIMIT_PER_USER', '0'],
])('%s=%s is refused', (name, value) => {
  expect(faultsOf({ [name]: value })).toEqual([name])
})

test('the stand-in for Cognito is refused in production, and the rest is not', () => {
  expect(faultsOf({ NODE_ENV: 'production', COGNITO_JWKS_ORIGIN: 'http://127.0.0.1:9' })).toEqual([
    'COGNITO_JWKS_ORIGIN',
  ])
  expect(faultsOf({ NODE_ENV: 'production' })).toEqual([])
})

test.each([
  ['2', [true, true, false]],
  ['1', [true, false, false]],
])('TRUST_PROXY=%s trusts that many hops', (value, trusted) => {
  const trust = load({ TRUST_PROXY: value }).TRUST_PROXY
  expect([0, 1, 2].map((hop) => typeof trust === 'function' && trust('10.0.0.1', hop))).toEqual(trusted)
})
