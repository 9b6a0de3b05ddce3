import type { Databases } from './databases.ts'
import { type External, externalSettings } from './external.ts'
import { openHome } from './home.ts'
import {
  type Instance,
  type PlanOptions,
  type ProgramName,
  planInstances,
  processSpec,
  programNames,
  programs,
} from './plan.ts'
import type { Rabbitmq } from './servers.ts'
import { type Surroundings, serviceEnvironment } from './service-environment.ts'
import { openSession, type Session, stages } from './session.ts'
import { removeStackFile, type StackFile, writeStackFile } from './stack-file.ts'
import { seconds, startServers } from './start-servers.ts'
import { type Running, supervise } from './supervisor.ts'

export interface StackOptions extends PlanOptions {
  /** The folder of everything this stack keeps. */
  readonly home: string
  /** By process name (`gateway`, `postgres`, `reservation-2` …); free ones otherwise. */
  readonly ports?: Record<string, number>
  /** More environment, by service or by instance. */
  readonly env?: Partial<Record<string, Record<string, string>>>
  /** The last word on what an instance is told: whoever wants a wire of their own to a server puts it in here. */
  adapt?(instance: Instance, environment: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv>
  readonly logLevel?: string
  /** What passes through to the services, and what names servers that are there already. Default: ours. */
  readonly environment?: NodeJS.ProcessEnv
  /** false: the data need not survive this machine (tests). Default: true. */
  readonly durable?: boolean
  readonly signal?: AbortSignal
  say?(line: string): void
}

export interface RunningStack {
  /** What stack.json says now. */
  readonly stack: StackFile
  readonly external: External
  /** Stops everything in order. A second call waits for the first. */
  stop(): Promise<void>
  /** Sends a signal to a process (`reservation`, `rabbitmq`, `inventory-2` …); if it dies, it is started again. */
  kill(name: string, signal?: NodeJS.Signals): void
  /** Stops a process, and it stays down until `up`. */
  down(name: string): Promise<void>
  up(name: string): Promise<void>
}

/** Starts a whole stack and answers when all of it is ready. If anything fails, all is stopped and it rejects. */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const home = openHome(options.home)
  const environment = options.environment ?? process.env
  const say = options.say ?? (() => {})
  let changed = () => {}
  const external = externalSettings(home, environment)
  const session = await openSession(home, {
    environment,
    say,
    ports: options.ports,
    maxConnections: 200,
    durable: options.durable ?? true,
    changed: () => changed(),
  })
  const stop = async () => {
    changed = () => {}
    removeStackFile(home)
    await session.close()
  }
  options.signal?.addEventListener('abort', () => void stop())
  try {
    const current = await startAll(session, options, external)
    const write = () => writeStackFile(home, current())
    options.signal?.throwIfAborted()
    changed = write
    write()
    return {
      ...controls(session),
      stop,
      external,
      get stack() {
        return current()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Everything at once that waits for nothing; the services when they can. */
async function startAll(session: Session, options: StackOptions, external: External): Promise<() => StackFile> {
  const { context } = session
  const only = (options.only ?? programNames).filter((name) => !replaced(name, external))
  const instances = await planInstances(context.ports, { ...options, only })
  const metricsPorts = new Map<string, number>()
  for (const { name, program } of instances) {
    if (program === 'gateway') metricsPorts.set(name, await context.ports.get(`${name}-metrics`))
  }
  const around = { ...options, ...context, external, instances, metricsPorts }
  const startThose = (stage: number, surroundings: Surroundings) =>
    Promise.all(
      instances
        .filter(({ program }) => programs[program].stage === stage)
        .map(async (instance) => {
          const environment = serviceEnvironment(surroundings, instance)
          await startInstance(session, instance, (await options.adapt?.(instance, environment)) ?? environment)
        }),
    )
  const [, { databases, rabbitmq }] = await Promise.all([
    startThose(stages.standIns, around),
    startServers(session, async (databases, rabbitmqUrl) => {
      const informed = { ...around, databases, rabbitmqUrl }
      await Promise.all([startThose(stages.services, informed), startThose(stages.gateway, informed)])
    }),
  ])
  return () => describe(session, instances, external, databases, rabbitmq)
}

function replaced(name: ProgramName, external: External): boolean {
  return (name === 'stripe-emulator' && external.stripe.real) || (name === 'cognito-issuer' && external.cognito.real)
}

async function startInstance(session: Session, instance: Instance, environment: NodeJS.ProcessEnv): Promise<void> {
  const { home, watch, say } = session.context
  const startedAt = Date.now()
  const running = supervise(processSpec(home, instance, environment), watch)
  await session.start(running, programs[instance.program].stage)
  say(`${instance.name} is ready at ${instance.url} (${seconds(startedAt)})`)
}

function describe(
  session: Session,
  instances: readonly Instance[],
  { stripe, cognito }: External,
  databases: Databases,
  rabbitmq: Rabbitmq,
): StackFile {
  const url = (program: ProgramName) => instances.find((instance) => instance.program === program)?.url
  const region = cognito.poolId.split('_')[0]
  return {
    gatewayUrl: url('gateway') ?? 'http://127.0.0.1:0',
    issuerUrl: url('cognito-issuer') ?? `https://cognito-idp.${region}.amazonaws.com`,
    stripeUrl: url('stripe-emulator') ?? 'https://api.stripe.com',
    stripeSecretKey: stripe.secretKey,
    stripePublishableKey: stripe.publishableKey,
    stripeWebhookSecret: stripe.webhookSecret,
    rabbitmqUrl: rabbitmq.url,
    rabbitmqManagementUrl: rabbitmq.managementUrl.href.replace(/\/$/, ''),
    databases,
    processes: session.running.flatMap((running) => {
      const { name, log, url } = running
      const pid = running.pid()
      // The port mapper is RabbitMQ's own affair.
      return pid === undefined || name === 'epmd' ? [] : [{ name, pid, log, ...(url && { url }) }]
    }),
  }
}

function controls(session: Session): Pick<RunningStack, 'kill' | 'down' | 'up'> {
  const named = (name: string): Running => {
    const found = session.running.find((running) => running.name === name)
    if (!found)
      throw new Error(`There is no process "${name}"; there are ${session.running.map((r) => r.name).join(', ')}`)
    return found
  }
  return {
    kill: (name, signal = 'SIGKILL') => named(name).kill(signal),
    down: (name) => named(name).stop(),
    up: (name) => named(name).start(),
  }
}
