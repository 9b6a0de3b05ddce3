/** `npm run verify [-- --stripe [--days 7] | --gateway <url>] [--wait 30] [--json]`: the promises, held against a running system. */
import { parseArgs } from 'node:util'
import type { Finding } from '@holdfast/contracts/routes/operations'
import { readStackFile } from '@holdfast/local/stack-file'
import { ageSeconds, defaultBounds } from '@holdfast/verification/booking'
import { withStanding } from '@holdfast/verification/verification'
import { Failed, print, runCommand } from './command.ts'
import { openDatabases } from './databases.ts'
import { verifyThrough } from './gateway-side.ts'
import type { StripeDoor } from './stripe-side.ts'
import { duration, oneLine, table } from './table.ts'
import { untilQuiet, verifyDatabases, type WholeReport } from './verify-run.ts'

const usage = `Usage: npm run verify -- [--wait <seconds>] [--stripe] [--days <n>] [--json]
       npm run verify -- --gateway <url> [--token <operator's access token>] [--wait <seconds>] [--json]
  --wait    until nothing is wrong and nothing moves, so many seconds at most
  --stripe  against Stripe's own lists as well (STRIPE_SECRET_KEY, STRIPE_API_URL, or the running stack's)
  --days    how far back in Stripe's lists (7)
  --gateway asks the API instead of the databases; the token may be in OPERATOR_TOKEN, where no list of processes shows it
  --json    the whole report for a program`

const longestList = 100

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      wait: { type: 'string' },
      stripe: { type: 'boolean' },
      days: { type: 'string' },
      gateway: { type: 'string' },
      token: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    print(usage)
    return 0
  }
  const startedAt = performance.now()
  const { look, close } = values.gateway ? throughTheGateway(values) : throughTheDatabases(values)
  try {
    const report = await untilQuiet(positive('--wait', values.wait ?? '0'), look)
    if (values.json) print(JSON.stringify(report, null, 2))
    else show(report, (performance.now() - startedAt) / 1_000)
    return withStanding(report.findings, 'drift').length > 0 ? 1 : 0
  } finally {
    await close()
  }
})

interface Way {
  look(): Promise<WholeReport>
  close(): Promise<void>
}

function throughTheDatabases(values: { stripe?: boolean; days?: string }): Way {
  const bounds = { ...defaultBounds, closeDeadline: Number(process.env.CLOSE_DEADLINE_SECONDS ?? 120) }
  const stripe = values.stripe ? { ...stripeDoor(), days: positive('--days', values.days ?? '7') } : undefined
  const databases = openDatabases('read')
  return { look: () => verifyDatabases(databases, { bounds, stripe }), close: () => databases.close() }
}

function throughTheGateway(values: { gateway?: string; token?: string; stripe?: boolean }): Way {
  const { gateway = '', token = process.env.OPERATOR_TOKEN, stripe } = values
  if (stripe)
    throw new Failed("Stripe's lists are held against payment's database: --stripe does not go with --gateway.")
  if (!URL.canParse(gateway)) throw new Failed(`--gateway wants a URL, not "${gateway}".`)
  if (!token) throw new Failed('--gateway wants an operator’s access token: --token or OPERATOR_TOKEN.')
  return { look: () => verifyThrough(gateway, token), close: async () => {} }
}

function positive(name: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number) && number >= 0) return number
  throw new Error(`${name} wants a number, not "${text}".\n${usage}`)
}

function stripeDoor(): StripeDoor {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_API_URL: url } = process.env
  if (secretKey) return { secretKey, url: url ?? 'https://api.stripe.com' }
  const stack = readStackFile()
  return { secretKey: stack.stripeSecretKey, url: stack.stripeUrl }
}

function show({ reservations, seats, money, stripeIntents, findings, truncated }: WholeReport, seconds: number): void {
  const statuses = Object.entries(reservations).map(([status, n]) => `${n} ${status}`)
  print(
    `Holdfast, looked at for ${seconds.toFixed(1)} s`,
    ...table([
      ['  reservations', statuses.length > 0 ? statuses.sort().join(' · ') : 'none'],
      ['  seats', `${seats.booked} booked · ${seats.held} held · ${seats.capacity} in ${seats.slots} slots`],
      ...Object.entries(money).map(([currency, { captured, returned }]) => [
        '  money',
        `${currency}, minor units: ${captured} captured · ${returned} given back · ${captured - returned} kept`,
      ]),
      ...(stripeIntents === undefined ? [] : [['  at Stripe', `${stripeIntents} intents of ours`]]),
    ]),
  )
  const drift = withStanding(findings, 'drift')
  section('In motion, and within its time', withStanding(findings, 'moving'))
  section('Worth knowing', withStanding(findings, 'note'))
  section('DRIFT', drift)
  if (truncated) print('', 'More messages or calls wait or have failed than are listed.')
  print('')
  if (drift.length === 0) {
    print('Everything is as promised.')
    return
  }
  const subjects = new Set(drift.map(({ subject }) => subject))
  print(
    `${drift.length} things are not as promised, about ${subjects.size}. npm run trace -- <id> tells a booking's story.`,
  )
}

function section(title: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return
  const now = new Date().toISOString()
  const sorted = findings.toSorted((a, b) => a.subject.localeCompare(b.subject) || a.since.localeCompare(b.since))
  const rows = sorted
    .slice(0, longestList)
    .map(({ subject, kind, what, since }) => [
      `  ${subject}`,
      kind,
      `since ${since} (${duration(ageSeconds(since, now))})`,
      oneLine(what),
    ])
  print('', `${title} (${findings.length})`, ...table(rows))
  if (findings.length > longestList) print(`  … and ${findings.length - longestList} more; --json has all of them`)
}
