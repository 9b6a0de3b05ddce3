import type { Home } from './home.ts'
import { openPorts, type Ports } from './ports.ts'
import { openRunRecord } from './run-record.ts'
import type { Running, Watch } from './supervisor.ts'

export interface SessionOptions {
  readonly ports?: Record<string, number> | undefined
  readonly environment: NodeJS.ProcessEnv
  readonly maxConnections: number
  readonly durable: boolean
  say(line: string): void
  /** A process has started or ended. */
  changed?(): void
}

/** What it takes to start something in a home. */
export interface Context {
  readonly home: Home
  readonly ports: Ports
  readonly environment: NodeJS.ProcessEnv
  readonly watch: Watch
  readonly maxConnections: number
  readonly durable: boolean
  say(line: string): void
}

/** What is started in a later stage is stopped before all that an earlier one holds. */
export const stages = { support: 0, servers: 1, standIns: 2, services: 3, gateway: 4 } as const
export type Stage = (typeof stages)[keyof typeof stages]

export interface Staged {
  readonly running: Running
  readonly stage: Stage
}

/** A claimed home: what is started in it is recorded, and stopped in order when the home is given back. */
export interface Session {
  readonly context: Context
  readonly running: readonly Running[]
  start(running: Running, stage: Stage): Promise<void>
  startInOrder(list: readonly Staged[]): Promise<void>
  /** Stops everything, what is still starting included, and gives the home back. */
  close(): Promise<void>
}

export async function openSession(home: Home, options: SessionOptions): Promise<Session> {
  const record = await openRunRecord(home, options.say)
  const started: Staged[] = []
  let closing: Promise<void> | undefined
  const watch = {
    started(name: string, pid: number) {
      record.add(name, pid)
      options.changed?.()
    },
    ended(name: string) {
      record.remove(name)
      options.changed?.()
    },
  }

  async function stopAll(): Promise<void> {
    record.stopping()
    for (const stage of Object.values(stages).reverse()) {
      await Promise.all(started.filter((one) => one.stage === stage).map(({ running }) => running.stop()))
    }
    record.close()
  }

  async function start(running: Running, stage: Stage): Promise<void> {
    if (closing !== undefined) throw new Error(`${running.name} is not started: everything is being stopped`)
    started.push({ running, stage })
    await running.start()
  }

  return {
    start,
    async startInOrder(list) {
      for (const { running, stage } of list) await start(running, stage)
    },
    context: { ...options, home, watch, ports: openPorts(home, options.ports ?? {}, options.environment) },
    get running() {
      return started.map(({ running }) => running)
    },
    close() {
      closing ??= stopAll()
      return closing
    },
  }
}
