import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueToken } from '@holdfast/local/issue-token'
import { type RunningStack, startStack } from '@holdfast/local/stack'
import { type Databases, openDatabases } from '@holdfast/operations/databases'
import { type Api, apiAt } from '../support/api.ts'
import { type Emulator, emulatorAt } from '../support/emulator.ts'
import { type StripeJs, stripeJs } from '../support/stripe-js.ts'
import { type Deaths, watchDeaths } from './deaths.ts'
import type { Options } from './options.ts'
import { type Orders, openOrders } from './orders.ts'
import { createWires, type Wire } from './wires.ts'

/** A whole stack whose every process and wire is in our hands. */
export interface Stage {
  readonly home: string
  readonly running: RunningStack
  readonly databases: Databases
  readonly emulator: Emulator
  readonly stripeJs: StripeJs
  readonly wires: readonly Wire[]
  readonly orders: Orders
  readonly deaths: Deaths
  /** Instances of services, the gateways among them. */
  readonly services: readonly string[]
  /** One of the gateways, as a load balancer would choose it. */
  gateway(): Api
  /** Kills, or sends another signal; that it dies of it is then no surprise. */
  kill(name: string, signal?: NodeJS.Signals): void
  isReady(name: string): Promise<boolean>
  leave(): Promise<void>
}

const notServices = ['postgres', 'rabbitmq', 'epmd', 'stripe-emulator', 'cognito-issuer']
const moments = ['inventory', 'reservation', 'payment']

export const operator = 'operator'

export async function enterStage(options: Options, signal: AbortSignal): Promise<Stage> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'))
  const wires = createWires()
  const orders = openOrders(join(home, 'orders'))
  const running = await startStack({
    home,
    signal,
    // A database that may forget its last half second would break promises by itself.
    durable: true,
    logLevel: options.logLevel,
    replicas: options.replicas,
    env: options.env,
    adapt: async ({ name, program }, environment) => ({
      // Stripe is told its own address, and does not go there.
      ...(program === 'stripe-emulator' ? environment : await wires.lay(name, environment)),
      ...(moments.includes(program) && orders.environmentOf(name)),
    }),
  })
  const { stack } = running
  const urlOf = (name: string) => running.stack.processes.find((one) => one.name === name)?.url
  const services = stack.processes.map(({ name }) => name).filter((name) => !notServices.includes(name))
  const apis = stack.processes
    .filter(({ name }) => name.startsWith('gateway'))
    .map(({ url }) => apiAt(url ?? stack.gatewayUrl, tokens(stack.issuerUrl)))
  const databases = openDatabases('read', stack.databases)
  const deaths = watchDeaths(() => running.stack.processes.filter(({ name }) => services.includes(name)))
  let turn = 0
  return {
    ...{ home, running, databases, orders, deaths, services },
    wires: wires.all,
    emulator: emulatorAt(stack.stripeUrl, stack.stripeSecretKey),
    stripeJs: stripeJs(stack.stripeUrl, stack.stripePublishableKey),
    gateway: () => apis[turn++ % apis.length] as Api,
    kill: (name, signal = 'SIGKILL') => {
      if (signal === 'SIGKILL' || signal === 'SIGTERM') deaths.expect(name)
      running.kill(name, signal)
    },
    isReady: async (name) => {
      const url = urlOf(name)
      if (url === undefined) return false
      const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
      await answer?.arrayBuffer().catch(() => {})
      return answer?.ok ?? false
    },
    leave: async () => {
      deaths.stop()
      await databases.close()
      await running.stop()
      await wires.close()
      if (!options.keep) rmSync(home, { recursive: true, force: true })
    },
  }
}

function tokens(issuerUrl: string): (user: string) => Promise<string> {
  const known = new Map<string, Promise<string>>()
  return (user) => {
    const token = known.get(user) ?? issueToken(issuerUrl, user, user === operator)
    known.set(user, token)
    // One that could not be had is asked for again.
    token.catch(() => known.delete(user))
    return token
  }
}
