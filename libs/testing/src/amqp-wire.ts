import { type Filter, openTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** A wire to RabbitMQ that can lose the confirms of one kind of message: what a queue without a leader looks like. */
export interface AmqpWire extends TcpProxy {
  readonly url: string
  /** The broker says nothing more of what is published with this key, until this is undefined again. */
  mute(routingKey: string | undefined): void
}

export async function openAmqpWire(brokerUrl: string): Promise<AmqpWire> {
  const url = new URL(brokerUrl)
  let muted: string | undefined
  const filter = () => muting(() => muted)
  const wire = await openTcpProxy({ host: url.hostname, port: Number(url.port || 5672) }, 0, filter)
  Object.assign(url, { hostname: '127.0.0.1', port: wire.port })
  const mute = (routingKey: string | undefined) => {
    muted = routingKey
  }
  return { ...wire, url: url.href, mute }
}

/** AMQP 0-9-1: class and method. */
const publish = '60.40'
const ack = '60.80'

/** On a channel of confirms all that is said of a message is its number, so it is the channel that is muted. */
function muting(muted: () => string | undefined): Filter {
  const channels = new Set<number>()
  const toFar = framesOf(Buffer.byteLength('AMQP0091'))
  const toNear = framesOf(0)
  return {
    toFar: (bytes) => {
      for (const frame of toFar(bytes)) {
        if (methodOf(frame) !== publish) continue
        const key = muted()
        if (key !== undefined && frame.includes(key)) channels.add(channelOf(frame))
        else channels.delete(channelOf(frame))
      }
      return bytes
    },
    toNear: (bytes) => {
      const isHeard = (frame: Buffer) => !(methodOf(frame) === ack && channels.has(channelOf(frame)))
      return Buffer.concat(toNear(bytes).filter(isHeard))
    },
  }
}

const methodFrame = 1
const headerBytes = 7
const channelOf = (frame: Buffer) => frame.readUInt16BE(1)
const methodOf = (frame: Buffer) =>
  frame[0] === methodFrame ? `${frame.readUInt16BE(headerBytes)}.${frame.readUInt16BE(headerBytes + 2)}` : ''

/** The frames that are complete, of bytes that come in any pieces; `skip` bytes come before the first. */
function framesOf(skip: number): (bytes: Buffer) => Buffer[] {
  let rest = Buffer.alloc(0)
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    const passed = Math.min(skip, rest.length)
    skip -= passed
    rest = rest.subarray(passed)
    const frames: Buffer[] = []
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUInt32BE(3) + 1
      if (rest.length < end) break
      frames.push(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    return frames
  }
}
