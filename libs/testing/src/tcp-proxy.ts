import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire between two programs, in the hands of a test: it can be cut, be slow, or swallow what is sent over it. */
export interface TcpProxy {
  readonly port: number
  /** Connections that are open now. */
  open(): number
  /** Resets every open connection; how many there were. New ones are let through. */
  cut(): number
  /** Everything arrives this much later, in both directions. 0 ends it. */
  delay(ms: number): void
  /** Has the far end say this to everyone who is connected. */
  inject(bytes: Uint8Array): void
  /** Bytes vanish in both directions and nobody is told: what a dead router or a pulled plug looks like. */
  blackHole(): void
  /** New connections are reset at once, open ones too: nobody is there. */
  refuse(): void
  /** As a wire should be. After a black hole open connections are reset: they have lost bytes and can't be whole again. */
  heal(): void
  close(): Promise<void>
}

/** What becomes of the bytes of one connection, which come in any pieces. */
export interface Filter {
  toFar(bytes: Buffer): Uint8Array
  toNear(bytes: Buffer): Uint8Array
}

export async function openTcpProxy(
  target: { host?: string; port: number },
  port = 0,
  createFilter?: () => Filter,
): Promise<TcpProxy> {
  const wires = new Set<Wire>()
  let mode: 'through' | 'black-hole' | 'refuse' = 'through'
  let delayMs = 0

  const server = createServer({ noDelay: true }, (near) => {
    if (mode === 'refuse') {
      near.resetAndDestroy()
      return
    }
    const far = connect({ host: target.host ?? '127.0.0.1', port: target.port, noDelay: true })
    const wire: Wire = { near, far }
    wires.add(wire)
    const filter = createFilter?.()
    for (const [from, to, filtered] of [
      [near, far, filter?.toFar],
      [far, near, filter?.toNear],
    ] as const) {
      const pass = inOrder(() => delayMs)
      from.on('data', (bytes) => {
        const passing = filtered ? filtered(bytes) : bytes
        if (mode !== 'black-hole') pass(() => to.write(passing))
      })
      from.on('end', () => pass(() => to.end()))
      // Either end's death is the other's; a proxy has nobody else to tell.
      from.on('error', () => reset(wire))
      from.on('close', () => {
        wires.delete(wire)
        if (mode !== 'black-hole') pass(() => to.destroy())
      })
    }
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  const cut = () => {
    const open = [...wires]
    for (const wire of open) reset(wire)
    return open.length
  }
  return {
    port: (server.address() as AddressInfo).port,
    open: () => wires.size,
    cut,
    delay: (ms) => {
      delayMs = ms
    },
    inject: (bytes) => {
      for (const { near } of wires) near.write(bytes)
    },
    blackHole: () => {
      mode = 'black-hole'
    },
    refuse: () => {
      mode = 'refuse'
      cut()
    },
    heal: () => {
      if (mode === 'black-hole') cut()
      mode = 'through'
      delayMs = 0
    },
    close: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Wire {
  readonly near: Socket
  readonly far: Socket
}

/** Does things later, one after the other: what comes when the delay is over still waits for what came before. */
function inOrder(delayMs: () => number): (what: () => void) => void {
  const waiting: (() => void)[] = []
  let lastAt = 0
  return (what) => {
    if (delayMs() === 0 && waiting.length === 0) {
      what()
      return
    }
    waiting.push(what)
    lastAt = Math.max(lastAt, performance.now() + delayMs())
    // Whichever timer fires, the first in line goes.
    setTimeout(() => waiting.shift()?.(), lastAt - performance.now())
  }
}

function reset({ near, far }: Wire): void {
  near.resetAndDestroy()
  far.resetAndDestroy()
}
