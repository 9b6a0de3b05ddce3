import { randomUUID } from 'node:crypto'
import type { Bookable } from './seed.ts'
import type { StackFile } from './stack-file.ts'

/** What stands on the screen when all is ready: where everything is, a token, and a hold to paste. */
export function welcome(stack: StackFile, home: string, token?: string, slot?: Bookable): string {
  const rows = [
    ['API', stack.gatewayUrl],
    ['API docs', `${stack.gatewayUrl}/docs`],
    ['Cognito', stack.issuerUrl],
    ['Stripe', stack.stripeUrl],
    ['RabbitMQ', stack.rabbitmqManagementUrl],
    ...Object.entries(stack.databases).map(([name, url]) => [`Postgres ${name}`, url]),
    ['Logs', `${home}/logs`],
    ['For scripts', `${home}/stack.json`],
  ]
  const width = Math.max(...rows.map(([name = '']) => name.length))
  const table = rows.map(([name = '', value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
  return [table, token && tokenText(token), token && slot && holdText(stack, token, slot)].filter(Boolean).join('\n\n')
}

function tokenText(token: string): string {
  return `A token of alice's, good for an hour (npm run token -- alice gives another):\n\n${token}`
}

function holdText(stack: StackFile, token: string, { experienceId, timeSlotId, title }: Bookable): string {
  const guest = { guestName: 'Alice Example', guestEmail: 'alice@example.com' }
  const body = JSON.stringify({ experienceId, timeSlotId, numberOfGuests: 2, ...guest })
  const command = [
    `curl -sS -X POST ${stack.gatewayUrl}/v1/reservations/hold`,
    `-H 'Authorization: Bearer ${token}'`,
    `-H 'X-Idempotency-Key: ${randomUUID()}'`,
    `-H 'Content-Type: application/json'`,
    `-d '${body}'`,
  ].join(' \\\n  ')
  return `Hold two places of "${title}":\n\n${command}`
}
