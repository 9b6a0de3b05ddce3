/** `npm run trace -- <reservation id | pi_… | reservation reference>`: one booking's whole story across the services. */
import { parseArgs } from 'node:util'
import type { Finding } from '@holdfast/contracts/routes/operations'
import type { Booking } from '@holdfast/verification/booking'
import { judge } from '@holdfast/verification/judge'
import { lookAt } from '@holdfast/verification/verification'
import { Failed, print, runCommand } from './command.ts'
import { type Databases, openDatabases } from './databases.ts'
import { readStory } from './read-story.ts'
import { sourcesIn } from './sources.ts'
import { inOrder, told } from './story.ts'
import { oneLine, table } from './table.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const nobody = { now: '', reservation: undefined, allocation: undefined, payment: undefined }

await runCommand(async () => {
  const { positionals } = parseArgs({ allowPositionals: true })
  const [name, ...rest] = positionals
  if (!name || rest.length > 0)
    throw new Failed('Usage: npm run trace -- <reservation id | pi_… | reservation reference>')
  const databases = openDatabases('read')
  try {
    await tell(databases, await reservationOf(databases, name))
    return 0
  } finally {
    await databases.close()
  }
})

/** Guests write a reference, Stripe's dashboard shows an intent, logs say the reservation's id. */
async function reservationOf(databases: Databases, name: string): Promise<string> {
  const id = name.toLowerCase()
  if (uuid.test(id)) return id
  const [row] = name.startsWith('pi_')
    ? await databases.rows<{ id: string }>(
        'payment',
        'select reservation_id as id from payment_intent i join payment p on p.id = i.payment_id where i.id = $1',
        [name],
      )
    : await databases.rows<{ id: string }>(
        'reservation',
        'select id from reservation where reservation_reference = $1',
        [name.toUpperCase()],
      )
  if (row) return row.id
  const shown = oneLine(name, 60)
  if (name.startsWith('pi_')) throw new Failed(`No payment here has the intent ${shown}.`)
  throw new Failed(`No reservation has the reference ${shown}; nor is that an id or an intent.`)
}

async function tell(databases: Databases, id: string): Promise<void> {
  const [booking] = (await lookAt(sourcesIn(databases), { of: [id] })).bookings
  const lines = await readStory(databases, booking ?? { ...nobody, id })
  const from = inOrder(lines)[0]?.at
  if (!from) throw new Failed(`No service knows a reservation ${id}.`)
  print(`Reservation ${id}, from ${from.toISOString()} on (a time is when it was committed or begun)`, '')
  print(...table(told(lines, from)))
  if (booking) print('', ...table(standing(booking)))
  print('', ...verdict(booking ? judge(booking) : []))
}

function standing({ reservation, allocation, payment }: Booking): string[][] {
  const intents = payment?.intents.map(({ id, status }) => `${id} ${status}`).join(', ')
  return [
    [
      '  reservation',
      reservation
        ? `${reservation.status}, ${reservation.paymentStatus}; payment ${reservation.payment}, seats ${reservation.seats}`
        : 'none',
    ],
    ['  looked at next', reservation?.wakeAt ?? 'never: all is done'],
    ['  inventory', allocation ? `${allocation.guests ?? 'no'} seats ${allocation.state}` : 'none'],
    ['  payment', payment ? `${payment.state}; ${intents || 'no intent'}` : 'none'],
  ]
}

function verdict(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return ['As promised: status, seats and money agree.']
  return findings.map(
    ({ standing, kind, what }) => `${standing === 'drift' ? 'DRIFT' : 'in motion'}: ${what} (${kind})`,
  )
}
