import { openTcpProxy, type TcpProxy } from '@holdfast/testing/tcp-proxy'

/** Every connection between a service and what it depends on goes through a proxy of its own. */
export const ends = ['postgres', 'rabbitmq', 'stripe', 'services'] as const
export type End = (typeof ends)[number]

export interface Wire {
  /** `reservation-2` */
  readonly from: string
  readonly to: End
  readonly proxy: TcpProxy
}

export interface Wires {
  readonly all: readonly Wire[]
  /** The environment of an instance, with each address in it led through a wire. */
  lay(instance: string, environment: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv>
  close(): Promise<void>
}

const variables: Record<string, End> = {
  DATABASE_URL: 'postgres',
  RABBITMQ_URL: 'rabbitmq',
  STRIPE_API_URL: 'stripe',
  INVENTORY_URLS: 'services',
  RESERVATION_URLS: 'services',
  PAYMENT_URLS: 'services',
}

export function createWires(): Wires {
  const all: Wire[] = []

  async function through(from: string, to: End, address: string): Promise<string> {
    const url = new URL(address)
    const proxy = await openTcpProxy({ host: url.hostname, port: Number(url.port) })
    all.push({ from, to, proxy })
    url.port = String(proxy.port)
    // A base URL was given without a path, and one is as good as the other only to a parser.
    return address.endsWith('/') ? url.href : url.href.replace(/\/$/, '')
  }

  return {
    all,
    async lay(instance, environment) {
      const laid = { ...environment }
      for (const [name, to] of Object.entries(variables)) {
        const given = laid[name]
        if (!given) continue
        laid[name] = (await Promise.all(given.split(',').map((address) => through(instance, to, address)))).join(',')
      }
      return laid
    },
    close: async () => {
      await Promise.all(all.map(({ proxy }) => proxy.close()))
    },
  }
}
