import { Agent, type IncomingMessage, request } from 'node:http'

/** One request after another on a kept connection, timed from its first byte to the last of its answer. */

export interface Timed {
  readonly status: number
  readonly body: string
  readonly ms: number
}

export interface Outgoing {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly url: URL
  readonly token: string
  readonly key?: string
  readonly body?: string
}

const agent = new Agent({ keepAlive: true })

export function send({ method, url, token, key, body }: Outgoing): Promise<Timed> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(key !== undefined && { 'x-idempotency-key': key }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  }
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const answered = (answer: IncomingMessage) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const ms = performance.now() - startedAt
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString(), ms })
      })
    }
    request(url, { method, headers, agent }, answered).on('error', reject).end(body)
  })
}

/** For what is set up rather than measured: anything but success ends the run. */
export async function succeed(outgoing: Outgoing): Promise<Timed> {
  const answer = await send(outgoing)
  if (answer.status >= 300)
    throw new Error(`${outgoing.method} ${outgoing.url.pathname}: ${answer.status} ${answer.body}`)
  return answer
}
