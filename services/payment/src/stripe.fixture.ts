import { Stripe } from 'stripe'

/** What a test does at Stripe: as the guest with Stripe.js, as the operator in the dashboard, and as the stand-in's hand. */

export const cards = {
  ok: '4242424242424242',
  threeDS: '4000002500003155',
  declined: '4000000000000002',
  insufficientFunds: '4000000000009995',
  /** Can be saved, is declined when charged. */
  savedThenDeclined: '4000000000000341',
  mastercard: '5555555555554444',
  amex: '378282246310005',
  /** Stripe declines it by a code of its own, without one of the bank's. */
  expired: '4000000000000069',
}

type Fault = 'error_500' | 'rate_limit' | 'reset_before_effect' | 'reset_after_effect' | 'delay'
interface Webhooks {
  hold?: boolean
  duplicate?: number
  shuffle?: boolean
  drop?: string[]
}

export function controlStripe(url: string) {
  const { hostname, port } = new URL(url)
  const client = new Stripe('sk_test_holdfast', {
    apiVersion: '2026-10-28.endive',
    host: hostname,
    port,
    protocol: 'http',
    telemetry: false,
  })

  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever Stripe answers
  type Body = any

  async function control(method: string, path: string, body?: object): Promise<Body> {
    const headers = body && { 'content-type': 'application/json' }
    const init = body ? { method, headers: { ...headers }, body: JSON.stringify(body) } : { method }
    const response = await fetch(`${url}/_emulator${path}`, init)
    const answer = await response.json()
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  const byCard = (number: string): Record<string, string> => ({
    type: 'card',
    'card[number]': number,
    'card[exp_month]': '12',
    'card[exp_year]': String(new Date().getUTCFullYear() + 2),
    'card[cvc]': number.startsWith('37') ? '1234' : '123',
  })
  const asGuest = async (path: string, params: Record<string, string>): Promise<Body> => {
    const headers = { authorization: 'Bearer pk_test_holdfast' }
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: new URLSearchParams(params) })
    return response.json()
  }

  return {
    url,
    client,
    /** Stripe.js confirming with the card that the guest has typed in. */
    payWith: (number: string, { clientSecret }: { clientSecret: string }) => {
      const data = Object.entries(byCard(number)).map(([name, value]) => [
        name.replace(/^(\w+)/, 'payment_method_data[$1]'),
        value,
      ])
      const params = { client_secret: clientSecret, ...Object.fromEntries(data) }
      return asGuest(`/v1/payment_intents/${clientSecret.split('_secret_')[0]}/confirm`, params)
    },
    /** Stripe.js making a payment method of a card: `pm_…`. */
    cardOf: async (number: string): Promise<string> => (await asGuest('/v1/payment_methods', byCard(number))).id,
    authenticate: (intentId: string, outcome: 'succeed' | 'fail') =>
      control('POST', `/payment_intents/${intentId}/authenticate`, { outcome }),
    fault: (operation: string, fault: Fault, times = 1, delayMs?: number) =>
      control('POST', '/faults', { operation, fault, times, ...(delayMs !== undefined && { delayMs }) }),
    webhooks: (modes: Webhooks) => control('POST', '/webhooks', modes),
    release: () => control('POST', '/webhooks/release', {}),
    reset: () => control('POST', '/reset', {}),
    /** The requests of one operation, oldest first. */
    requests: async (operation: string) => {
      const { data } = await control('GET', '/requests')
      return data.filter((request: { operation: string }) => request.operation === operation).reverse()
    },
    events: async (type: string) =>
      (await control('GET', '/events')).data.filter((event: { type: string }) => event.type === type),
    resend: (eventId: string) => control('POST', `/events/${eventId}/resend`, {}),
  }
}

/** What Stripe puts into the `stripe-signature` header. */
export function signatureOf(payload: string, secret: string, timestamp: number): string {
  return new Stripe('sk_test_holdfast').webhooks.generateTestHeaderString({ payload, secret, timestamp })
}
