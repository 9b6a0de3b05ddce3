import { createServer } from 'node:net'
import type { Home } from './home.ts'
import { readJson, writeAtomically } from './home.ts'

export class PortTaken extends Error {}

/** Below Linux's ephemeral range (from 32768), so that no outgoing connection sits on one of ours. */
const range = { from: 20_000, to: 32_000 }
const attempts = 200

export interface Ports {
  /** The port of that name: as set, else the one used last time if it is still free, else (or if set to 0) a free one. */
  get(name: string, fixed?: number): Promise<number>
}

export function openPorts(home: Home, set: Record<string, number>, environment: NodeJS.ProcessEnv): Ports {
  const file = home.path('ports.json')
  const kept = readJson<Record<string, number>>(file) ?? {}
  const taken = new Set<number>()
  return {
    async get(name, fixed) {
      const wanted = set[name] ?? fromEnvironment(name, environment) ?? fixed
      const port = !wanted ? await freePort(kept[name], taken) : await insistOn(name, wanted)
      kept[name] = port
      writeAtomically(file, JSON.stringify(kept, null, 2))
      return port
    },
  }
}

/** `stripe-emulator` → STRIPE_EMULATOR_PORT */
export function portVariable(name: string): string {
  return `${name.toUpperCase().replaceAll('-', '_')}_PORT`
}

function fromEnvironment(name: string, environment: NodeJS.ProcessEnv): number | undefined {
  const value = environment[portVariable(name)]
  if (!value) return undefined
  const port = Number(value)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new PortTaken(`${portVariable(name)}=${value} is not a port (0–65535; 0 for a free one).`)
  }
  return port
}

async function insistOn(name: string, port: number): Promise<number> {
  if (await isFree(port)) return port
  throw new PortTaken(`Port ${port} is taken, and ${name} was to have it. Set ${portVariable(name)} to another one.`)
}

async function freePort(preferred: number | undefined, taken: Set<number>): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const random = range.from + Math.floor(Math.random() * (range.to - range.from))
    const port = attempt === 0 && preferred !== undefined ? preferred : random
    if (taken.has(port)) continue
    // Before looking: another name may be looking at the same time.
    taken.add(port)
    if (await isFree(port)) return port
  }
  throw new PortTaken(`No free port found between ${range.from} and ${range.to}.`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
