import { connect } from 'node:net'

/** Longer than any answer takes to begin; a server that waits for more of what will never come is left then. */
const idleMs = 3_000

/**
 * Sends bytes as they are, for what no HTTP client would send, and reads until the server closes the connection or has
 * nothing more to say.
 */
export function sendRaw(url: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    let answer = ''
    socket.setEncoding('latin1')
    socket.setTimeout(idleMs, () => socket.destroy())
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    // Cut while we were still sending: what came before it is the answer.
    socket.on('error', (error: NodeJS.ErrnoException) =>
      answer || error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(answer) : reject(error),
    )
  })
}

/** The status of every answer in what was read. */
export const statusesIn = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
