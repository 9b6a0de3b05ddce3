import { join } from 'node:path'
import type { Databases } from './databases.ts'
import { checkoutRoot, type Home } from './home.ts'
import type { Ports } from './ports.ts'
import { type Stage, stages } from './session.ts'
import { answers, type ProcessSpec } from './supervisor.ts'

/** The processes of a stack, as data. */
export const programs = {
  'cognito-issuer': { file: 'infra/cognito-issuer/src/main.ts', stage: stages.standIns },
  'stripe-emulator': { file: 'infra/stripe-emulator/src/main.ts', stage: stages.standIns },
  inventory: { file: 'services/inventory/src/main.ts', stage: stages.services, database: 'inventory' },
  reservation: { file: 'services/reservation/src/main.ts', stage: stages.services, database: 'reservation' },
  payment: { file: 'services/payment/src/main.ts', stage: stages.services, database: 'payment' },
  timeout: { file: 'services/timeout/src/main.ts', stage: stages.services },
  gateway: { file: 'services/gateway/src/main.ts', stage: stages.gateway },
} as const satisfies Record<string, { file: string; stage: Stage; database?: keyof Databases }>

export type ProgramName = keyof typeof programs
export const programNames = Object.keys(programs) as ProgramName[]

/** One process to be: `reservation-2` is an instance of `reservation`. */
export interface Instance {
  readonly name: string
  readonly program: ProgramName
  readonly port: number
  readonly url: string
}

export interface PlanOptions {
  readonly only?: readonly ProgramName[] | undefined
  readonly replicas?: Partial<Record<string, number>> | undefined
  /** The gateway's port, unless set otherwise. */
  readonly gatewayPort?: number | undefined
}

const mostReplicas = 16

/** Every instance with its port. The gateway's comes first: if it is taken, nothing has been started yet. */
export async function planInstances(ports: Ports, options: PlanOptions): Promise<Instance[]> {
  const instances: Instance[] = []
  for (const program of programNames.toReversed()) {
    if (options.only && !options.only.includes(program)) continue
    for (let number = 1; number <= (options.replicas?.[program] ?? 1); number++) {
      const name = number === 1 ? program : `${program}-${number}`
      const port = await ports.get(name, name === 'gateway' ? options.gatewayPort : undefined)
      instances.push({ name, program, port, url: `http://127.0.0.1:${port}` })
    }
  }
  return instances
}

/** `reservation=2,inventory=2` */
export function parseReplicas(text: string | undefined): Partial<Record<ProgramName, number>> {
  const pairs = (text ?? '').split(',').filter(Boolean)
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', count] = pair.split('=').map((part) => part.trim())
      const number = Number(count)
      if (!(name in programs) || !Number.isInteger(number) || number < 1 || number > mostReplicas) {
        throw new Error(`REPLICAS: "${pair}" is not <service>=<1–${mostReplicas}> of ${programNames.join(', ')}`)
      }
      return [name, number]
    }),
  )
}

export function processSpec(home: Home, instance: Instance, env: NodeJS.ProcessEnv): ProcessSpec {
  return {
    name: instance.name,
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(checkoutRoot, programs[instance.program].file)],
    env,
    cwd: checkoutRoot,
    log: home.path('logs', `${instance.name}.log`),
    url: instance.url,
    // Services drain for up to 15 s.
    graceMs: 20_000,
    // They wait for RabbitMQ, which may take its own 90 s.
    readyWithinMs: 120_000,
    isReady: () => answers(`${instance.url}/health/ready`),
  }
}
