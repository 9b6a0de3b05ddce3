import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { manage } from '@holdfast/testing/management'
import { type Fault, type Injury, nothingToDo } from './fault.ts'
import type { Stage } from './stage.ts'

/** The servers that all services lean on. They are started again by themselves, with what they had on disk. */
export const serverFaults: readonly Fault[] = [
  { name: 'rabbitmq:killed', lasts: [0, 0], inject: async (stage) => killed(stage, 'rabbitmq') },
  {
    name: 'rabbitmq:queues-deleted',
    once: true,
    lasts: [0, 0],
    inject: async (stage) => {
      await deleteQueues(stage)
      return { on: 'every queue', heal: nothingToDo, hasHealed: () => allReady(stage) }
    },
  },
  {
    name: 'rabbitmq:wiped',
    once: true,
    lasts: [0, 0],
    inject: async (stage) => {
      stage.deaths.expect('rabbitmq')
      await stage.running.down('rabbitmq')
      rmSync(join(stage.home, 'rabbitmq', 'data'), { recursive: true, force: true })
      return { on: 'its data folder', heal: () => stage.running.up('rabbitmq'), hasHealed: () => allReady(stage) }
    },
  },
  { name: 'postgres:killed', lasts: [0, 0], inject: async (stage) => killed(stage, 'postgres') },
  { name: 'stripe:killed', lasts: [0, 0], inject: async (stage) => killed(stage, 'stripe-emulator') },
  {
    name: 'stripe:away',
    lasts: [4, 10],
    inject: async (stage) => {
      stage.deaths.expect('stripe-emulator')
      await stage.running.down('stripe-emulator')
      return { on: 'stripe', heal: () => stage.running.up('stripe-emulator'), hasHealed: () => allReady(stage) }
    },
  },
]

async function killed(stage: Stage, name: string): Promise<Injury> {
  stage.kill(name)
  return { on: name, heal: nothingToDo, hasHealed: () => allReady(stage) }
}

async function allReady(stage: Stage): Promise<boolean> {
  return (await Promise.all(stage.services.map((name) => stage.isReady(name)))).every(Boolean)
}

async function deleteQueues({ running }: Stage): Promise<void> {
  const { rabbitmqManagementUrl } = running.stack
  const queues = (await manage(rabbitmqManagementUrl, 'GET', '/api/queues')) as { name: string; vhost: string }[]
  for (const { name, vhost } of queues.filter((queue) => queue.name.startsWith('holdfast.'))) {
    const path = `/api/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(name)}`
    await manage(rabbitmqManagementUrl, 'DELETE', path)
  }
}
