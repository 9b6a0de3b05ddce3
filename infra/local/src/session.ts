import type { Home } from './home.ts'
import type { Context } from './infrastructure.ts'
import { openPorts } from './ports.ts'
import { openRunRecord } from './run-record.ts'
import type { Running } from './supervisor.ts'

export interface SessionOptions {
  readonly ports?: Record<string, number>
  readonly environment: NodeJS.ProcessEnv
  readonly maxConnections: number
  readonly durable: boolean
  say(line: string): void
  /** A process has started or ended. */
  changed?(): void
}

/** A claimed home: what is started in it is recorded, and ended when it is closed, the last started first. */
export interface Session {
  readonly context: Context
  start(running: Running): Promise<void>
  /** Gives the home back. What was started and not stopped is stopped first. */
  close(): Promise<void>
}

export async function openSession(home: Home, options: SessionOptions): Promise<Session> {
  const record = await openRunRecord(home, options.say)
  const started: Running[] = []
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
  const ports = openPorts(home, options.ports ?? {}, options.environment)
  return {
    context: { ...options, home, ports, watch },
    async start(running) {
      started.unshift(running)
      await running.start()
    },
    async close() {
      for (const running of started) await running.stop()
      record.close()
    },
  }
}
