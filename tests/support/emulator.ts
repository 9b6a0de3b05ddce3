import Stripe from 'stripe'

/** The Stripe emulator's own controls, and Stripe's API on it, for looking at what really happened to the money. */
export interface Emulator {
  readonly stripe: Stripe
  fault(fault: { operation: string; times: number; fault: string; delayMs?: number }): Promise<void>
  webhooks(mode: Record<string, unknown>): Promise<void>
  release(): Promise<void>
  resend(eventId: string): Promise<void>
  events(): Promise<EmulatorEvent[]>
  requests(): Promise<EmulatorRequest[]>
  reset(): Promise<void>
  /** Every PaymentIntent that Stripe has for a reservation, newest first. */
  intentsOf(reservationId: string): Promise<Stripe.PaymentIntent[]>
}

export interface EmulatorEvent {
  readonly id: string
  readonly type: string
  readonly data: { object: { id: string; metadata?: Record<string, string>; payment_intent?: string } }
  readonly deliveries: { at: string; status: number | null }[]
}

export interface EmulatorRequest {
  readonly operation: string
  readonly method: string
  readonly path: string
  readonly idempotencyKey: string | null
  readonly params: Record<string, unknown>
  readonly status: number | null
}

export function emulatorAt(stripeUrl: string, secretKey: string): Emulator {
  const { hostname, port } = new URL(stripeUrl)
  async function control(path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(new URL(`/_emulator/${path}`, stripeUrl), {
      method: body === undefined ? 'GET' : 'POST',
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  const post = async (path: string, body: unknown = {}) => {
    await control(path, body)
  }
  const list = async <T>(path: string) => ((await control(path)) as { data: T[] }).data

  const stripe = new Stripe(secretKey, { host: hostname, port, protocol: 'http', telemetry: false })
  return {
    stripe,
    fault: (fault) => post('faults', fault),
    webhooks: (mode) => post('webhooks', mode),
    release: () => post('webhooks/release'),
    resend: (eventId) => post(`events/${eventId}/resend`),
    events: () => list<EmulatorEvent>('events'),
    requests: () => list<EmulatorRequest>('requests'),
    reset: () => post('reset'),
    intentsOf: async (reservationId) => {
      const { data } = await stripe.paymentIntents.list({ limit: 100 })
      return data.filter(({ metadata }) => metadata.reservationId === reservationId)
    },
  }
}
