/** What Stripe.js does in a browser: confirm an intent with the publishable key and the client secret. */

export const cards = {
  success: '4242424242424242',
  threeDSecure: '4000002500003155',
  declined: '4000000000000002',
  insufficientFunds: '4000000000009995',
  declinesWhenCharged: '4000000000000341',
} as const

export interface ConfirmResult {
  readonly status?: string
  readonly error?: { code: string; decline_code?: string; message: string }
}

export interface StripeJs {
  confirmCardPayment(clientSecret: string, card: string): Promise<ConfirmResult>
  createPaymentMethod(card: string): Promise<string>
  /** The guest completes, or fails, 3D Secure in the bank's window. */
  authenticate(paymentIntentId: string, outcome: 'succeed' | 'fail'): Promise<void>
}

export function stripeJs(stripeUrl: string, publishableKey: string): StripeJs {
  async function post(path: string, form: Record<string, string>): Promise<{ status: number; body: Body }> {
    const response = await fetch(new URL(path, stripeUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${publishableKey}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form),
    })
    return { status: response.status, body: (await response.json()) as Body }
  }

  return {
    confirmCardPayment: async (clientSecret, card) => {
      const id = clientSecret.split('_secret_')[0]
      const { body } = await post(`/v1/payment_intents/${id}/confirm`, {
        client_secret: clientSecret,
        ...cardForm('payment_method_data', card),
        return_url: 'https://example.com/booking/confirmation',
      })
      return body.error ? { error: body.error } : { status: body.status }
    },
    createPaymentMethod: async (card) => {
      const { body } = await post('/v1/payment_methods', cardForm('', card))
      if (body.error) throw new Error(body.error.message)
      return body.id
    },
    authenticate: async (paymentIntentId, outcome) => {
      const response = await fetch(new URL(`/_emulator/payment_intents/${paymentIntentId}/authenticate`, stripeUrl), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ outcome }),
      })
      if (!response.ok) throw new Error(`authenticate: ${response.status} ${await response.text()}`)
    },
  }
}

interface Body {
  readonly id: string
  readonly status: string
  readonly error?: { code: string; decline_code?: string; message: string }
}

function cardForm(prefix: string, number: string): Record<string, string> {
  const fields = { number, exp_month: '12', exp_year: '2030', cvc: '123' }
  const name = (...path: string[]) => {
    const [first, ...rest] = prefix === '' ? path : [prefix, ...path]
    return `${first}${rest.map((part) => `[${part}]`).join('')}`
  }
  const card = Object.entries(fields).map(([field, value]) => [name('card', field), value])
  return { [name('type')]: 'card', ...Object.fromEntries(card) }
}
