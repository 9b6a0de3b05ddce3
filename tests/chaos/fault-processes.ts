import { setTimeout as sleep } from 'node:timers/promises'
import { type Moment, moments } from '@holdfast/runtime/moments'
import { type Fault, type Injury, nothingToDo } from './fault.ts'
import type { Stage } from './stage.ts'

/** Services that die between two effects, at any time, or in order; and such that stand still. */
export const processFaults: readonly Fault[] = [
  ...moments.map(
    (moment): Fault => ({
      name: `killed:${moment}`,
      lasts: [0, 0],
      inject: async (stage, random) => {
        const name = random.pick(stage.services.filter((service) => reaches(service, moment)))
        return dieAt(stage, name, moment, random.between(0, 5))
      },
    }),
  ),
  {
    name: 'killed:at-random',
    lasts: [0, 0],
    inject: async (stage, random) => signalled(stage, random.pick(stage.services), 'SIGKILL'),
  },
  {
    name: 'killed:twice-in-a-row',
    lasts: [0, 0],
    inject: async (stage, random) => {
      const name = random.pick(stage.services)
      await signalled(stage, name, 'SIGKILL')
      await sleep(random.between(300, 1_500))
      return signalled(stage, name, 'SIGKILL')
    },
  },
  {
    name: 'killed:every-instance',
    lasts: [0, 0],
    inject: async (stage, random) => {
      const kind = random.pick(['inventory', 'reservation', 'payment'])
      const names = stage.services.filter((name) => name.startsWith(kind))
      const injuries = await Promise.all(names.map((name) => signalled(stage, name, 'SIGKILL')))
      const healed = async () => (await Promise.all(injuries.map((one) => one.hasHealed()))).every(Boolean)
      return { on: names.join(' and '), heal: nothingToDo, hasHealed: healed }
    },
  },
  {
    name: 'stopped:in-order',
    lasts: [0, 0],
    inject: async (stage, random) => signalled(stage, random.pick(stage.services), 'SIGTERM'),
  },
  {
    name: 'frozen:briefly',
    lasts: [1, 4],
    inject: async (stage, random) => frozen(stage, random.pick(stage.services)),
  },
  {
    // Longer than leases, heartbeats and patience: others have taken over what it wakes up in the middle of.
    name: 'frozen:past-its-leases',
    lasts: [12, 16],
    inject: async (stage, random) => frozen(stage, random.pick(stage.services)),
  },
]

/** Gateways and the timeout service have no database and make no calls to Stripe. */
function reaches(service: string, moment: Moment): boolean {
  if (moment.endsWith('stripe-call')) return service.startsWith('payment')
  // Reservation asks; it is not asked but by inventory's audit, once in a while.
  if (moment === 'before-reply') return /^(inventory|payment)/.test(service)
  return /^(inventory|reservation|payment)/.test(service)
}

const moribundMs = 5_000

async function dieAt(stage: Stage, name: string, moment: Moment, survives: number): Promise<Injury> {
  stage.deaths.expect(name)
  stage.orders.give(name, moment, survives)
  const deadline = Date.now() + moribundMs
  while (stage.orders.isOpen(name) && Date.now() < deadline) await sleep(10)
  const isAlive = stage.orders.withdraw(name)
  if (isAlive) stage.deaths.excuse(name)
  return {
    on: isAlive ? `${name}, which did not come to it` : name,
    heal: nothingToDo,
    hasHealed: () => stage.isReady(name),
  }
}

async function signalled(stage: Stage, name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<Injury> {
  stage.kill(name, signal)
  return { on: name, heal: nothingToDo, hasHealed: () => stage.isReady(name) }
}

async function frozen(stage: Stage, name: string): Promise<Injury> {
  stage.kill(name, 'SIGSTOP')
  return { on: name, heal: async () => stage.kill(name, 'SIGCONT'), hasHealed: () => stage.isReady(name) }
}
