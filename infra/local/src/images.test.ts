import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { checkoutRoot } from './home.ts'
import { images } from './images.ts'

const read = (file: string) => readFileSync(join(checkoutRoot, file), 'utf8')
const compose = read('docker-compose.yml')
const rabbitmq = read('infra/rabbitmq/Dockerfile')

test('tests run on the images that compose runs', () => {
  const { postgres, rabbitmq } = images({})
  expect(postgres).toMatch(/^postgres:\d+\.\d+$/)
  expect(rabbitmq).toMatch(/^rabbitmq:\d+\.\d+-management$/)
  expect(images({ HOLDFAST_RABBITMQ_IMAGE: 'holdfast-rabbitmq:4.2' }).rabbitmq).toBe('holdfast-rabbitmq:4.2')
})

test('compose names no version of RabbitMQ or of its plugin, and can hand on every one', () => {
  const versions = [...rabbitmq.matchAll(/^ARG (RABBITMQ_\w+)$/gm)].map(([, name = '']) => name)
  expect(versions).toContain('RABBITMQ_PLUGIN_SHA256')
  // A name without a value: from the environment, or else the Dockerfile's own.
  for (const name of versions) expect(compose).toMatch(new RegExp(`^ +${name}:$`, 'm'))
})

test('the plugin is of the line of the broker that it is built into, and so is the name of the image', () => {
  const [, line = 'none'] = /^rabbitmq:(\d+\.\d+)-/.exec(images({}).rabbitmq) ?? []
  expect(rabbitmq).toMatch(new RegExp(`^ARG version=.*:-${line.replace('.', '\\.')}\\.\\d+\\}$`, 'm'))
  expect(compose).toMatch(`holdfast-rabbitmq:${line}}`)
})

test('containers run the Node that the package scripts run', () => {
  const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }
  const [, version] = /^ARG NODE_IMAGE=node:([\d.]+)-/m.exec(read('infra/docker/Dockerfile')) ?? []
  expect(new Set(Object.values(optionalDependencies))).toEqual(new Set([version]))
})
