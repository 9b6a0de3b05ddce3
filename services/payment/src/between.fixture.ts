import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startPaymentStack } from './payment.fixture.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test answers whatever Stripe might
type Body = any
interface Answer {
  readonly status: number
  readonly body: Body
}
/** `call` is the method and the path. Undefined lets the stand-in's own answer through. */
type Meddle = (call: string, ask: () => Promise<Answer>) => Promise<Answer | undefined>

export type MeddledStack = Awaited<ReturnType<typeof startMeddledStack>>

/**
 * The payment service with a test between it and the stand-in, for the answers that only banks bring about: payments that take
 * days, refunds that fail.
 */
export async function startMeddledStack() {
  const between = await startBetween()
  const stack = await startPaymentStack({ STRIPE_API_URL: between.url })
  between.passTo(stack.stripe.url)
  return {
    ...stack,
    meddle: between.meddle,
    stop: async () => {
      await stack.stop()
      between.close()
    },
  }
}

async function startBetween() {
  let target = ''
  let meddle: Meddle = async () => undefined
  const server = createServer(async (request, response) => {
    try {
      const body = await bodyOf(request)
      const ask = () => pass(target, request, body)
      const answer = (await meddle(`${request.method} ${request.url}`, ask)) ?? (await ask())
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
    } catch {
      // The stand-in has hung up, and so do we.
      request.socket.destroy()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passTo: (url: string) => {
      target = url
    },
    meddle: (how: Meddle) => {
      meddle = how
    },
    close: () => server.close(),
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function pass(target: string, request: IncomingMessage, body: string): Promise<Answer> {
  const { host: _, connection: __, 'content-length': ___, 'transfer-encoding': ____, ...headers } = request.headers
  const response = await fetch(`${target}${request.url}`, {
    method: request.method ?? 'GET',
    headers: headers as Record<string, string>,
    ...(body !== '' && { body }),
  })
  return { status: response.status, body: await response.json() }
}
