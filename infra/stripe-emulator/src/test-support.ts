import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Stripe from 'stripe'
import { defaultSettings, startStripeEmulator } from './emulator.ts'
import type { Settings } from './settings.ts'

/** stripe-node speaking to `url`; it never retries, so that a test sees each answer. */
export function stripeAt(url: string, key: string): Stripe {
  const { hostname, port, protocol } = new URL(url)
  return new Stripe(key, {
    apiVersion: '2026-10-28.endive',
    host: hostname,
    port: Number(port) || 443,
    protocol: protocol === 'https:' ? 'https' : 'http',
    maxNetworkRetries: 0,
    telemetry: false,
  })
}

/** What the call was refused with; fails if it was not refused. */
export async function refusalOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const outcome = await call.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome && outcome.error instanceof Stripe.errors.StripeError) return outcome.error
  throw new Error(`expected a refusal by Stripe, got ${JSON.stringify(outcome)}`)
}

/** Waits for a fact: polls until `look` gives something, and says what it waited for if that never comes. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + 10_000
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (Date.now() > deadline) throw new Error(`never saw ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export interface Heard {
  event: Stripe.Event
  signature: string
  raw: string
}

/** An endpoint for webhooks that remembers what it heard. `status` decides what it answers. */
export async function listenForWebhooks(status: (heard: Heard, count: number) => number = () => 200) {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    let raw = ''
    request.on('data', (chunk: Buffer) => {
      raw += chunk.toString()
    })
    request.on('end', () => {
      const one = { event: JSON.parse(raw), signature: String(request.headers['stripe-signature']), raw }
      heard.push(one)
      response.writeHead(status(one, heard.length)).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const types = () => heard.map(({ event }) => event.type as string)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard, types, close }
}

/** What the control routes may answer; each route has its own part of it. */
export interface ControlAnswer {
  data: ControlRow[]
  error: { message: string }
  id: string
  status: string
  latest_charge: string
}
export interface ControlRow {
  id: string
  type: string
  status: number | null
  pending_webhooks: number
  deliveries: Array<{ at: string; status: number | null }>
}

/** An emulator of the test's own, with clients for both keys and the control routes at hand. */
export async function emulatorForTest(settings: Partial<Settings> = {}) {
  const emulator = await startStripeEmulator({ logLevel: 'fatal', ...settings })
  const ask = async (method: 'GET' | 'POST', path: string, body?: unknown) => {
    const response = await fetch(`${emulator.url}/_emulator${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as ControlAnswer }
  }
  return {
    ...emulator,
    stripe: stripeAt(emulator.url, defaultSettings.keys.secret),
    browser: stripeAt(emulator.url, defaultSettings.keys.publishable),
    control: {
      get: (path: string) => ask('GET', path),
      post: (path: string, body?: unknown) => ask('POST', path, body),
    },
  }
}
