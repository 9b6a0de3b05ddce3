import { createHmac } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'

const TIMEOUT_MS = 10_000
const MAX_SOCKETS = 32

export interface Sender {
  /** The status the endpoint answered with; null when it could not be reached or took too long. */
  send(body: string): Promise<number | null>
  close(): void
}

/** Posts signed bodies to one endpoint over kept-alive connections. */
export function createSender(url: string, secret: string): Sender {
  const target = new URL(url)
  const { Agent, request } = target.protocol === 'https:' ? https : http
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  const send = (body: string) =>
    new Promise<number | null>((resolve) => {
      const sent = request(target, {
        agent,
        method: 'POST',
        timeout: TIMEOUT_MS,
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
          'stripe-signature': sign(body, secret, new Date()),
        },
      })
      sent.on('response', (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? null))
        response.on('error', () => resolve(null))
      })
      sent.on('timeout', () => sent.destroy(new Error('timeout')))
      sent.on('error', () => resolve(null))
      sent.end(body)
    })
  return { send, close: () => agent.destroy() }
}

export function sign(body: string, secret: string, at: Date): string {
  const t = Math.floor(at.getTime() / 1000)
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`
}
