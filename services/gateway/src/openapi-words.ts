import type { Route } from '@holdfast/contracts/route'
import type { OpenAPIV3_1 } from 'openapi-types'

/** What the documentation says beyond the contract's schemas. */

export const description = `Bookings in two phases: **hold → payment → confirmation**.

1. Sign in with Amazon Cognito and send the access token with every call: \`Authorization: Bearer …\`.
2. \`POST /v1/reservations/hold\` holds the seats, for 15 minutes unless the experience says otherwise.
3. \`POST /v1/reservations/hold/convert\` starts the payment and answers with the client secret for Stripe.js.
4. Complete the payment in the browser. The reservation is confirmed by Stripe's webhook, or at once by
   \`POST /v1/reservations/confirm\`; \`GET /v1/reservations/{id}/payment-status\` says where it stands.

Hold and convert need an \`X-Idempotency-Key\`, and every other POST takes one. Amounts are integers of the currency's
minor unit, times are UTC. An error is \`{ "error": CODE, "message": text, "requestId": id }\`, with \`details\` where a
client can act on them.`

/** The calls that every booking makes, in their order. */
export const flow = ['createHold', 'convertHold', 'confirmReservation', 'getPaymentStatus']

const tagOfService = {
  reservation: 'Reservations',
  payment: 'Payments',
  inventory: 'Catalogue',
} as const satisfies Record<Route['service'], string>
const operations = 'Operations'

/** Whoever operates the system does not mind which service answers. */
export const tagOf = ({ service, url }: Route): string =>
  url.startsWith('/v1/operations/') ? operations : tagOfService[service]

export const tags = [
  { name: tagOfService.reservation, description: 'Holding seats, paying for them, and what became of it' },
  { name: tagOfService.payment, description: "The caller's saved cards, and Stripe's events" },
  { name: tagOfService.inventory, description: 'Experiences and their time slots, with availability and prices' },
  { name: operations, description: 'Whether the system is as promised, for those who run it' },
]

const header = (text: string, type: 'string' | 'integer' = 'string') => ({ description: text, schema: { type } })

export const headerComponents = {
  'X-Request-Id': header('Names this request in every log.'),
  'RateLimit-Limit': header("Requests a minute, of the caller's limit that is nearest.", 'integer'),
  'RateLimit-Remaining': header('How many of them are left.', 'integer'),
  'RateLimit-Reset': header('Seconds until all are there again.', 'integer'),
  'Retry-After': header('Seconds to wait.', 'integer'),
  'WWW-Authenticate': header('`Bearer error="invalid_token"`'),
  'Idempotent-Replayed': header('`true` when the answer to the first request with this key is given again.'),
} satisfies Record<string, OpenAPIV3_1.HeaderObject>

/** The headers of an answer, as references. */
export function headersOf(status: number, operation: OpenAPIV3_1.OperationObject): Record<string, { $ref: string }> {
  const takesKey = operation.responses?.['422'] !== undefined
  const names: (keyof typeof headerComponents)[] = [
    'X-Request-Id',
    'RateLimit-Limit',
    'RateLimit-Remaining',
    'RateLimit-Reset',
  ]
  if (status === 401) names.push('WWW-Authenticate')
  // Of the conflicts only a key that is in use is over by itself.
  if ((status === 409 && takesKey) || status === 429 || status === 503) names.push('Retry-After')
  if (takesKey && status < 400) names.push('Idempotent-Replayed')
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}
