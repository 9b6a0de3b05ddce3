import { parseArgs } from 'node:util'
import { parseReplicas } from '@holdfast/local/plan'

export const usage = `Usage: npm run chaos -- [options]
  --minutes <n>    how long bookings are made (5)
  --bookings <n>   how many, spread evenly over that time (300 a minute)
  --every <s>      seconds between two faults (7)
  --faults <a,b>   only faults whose names begin like these; --list names them all
  --seed <n>       the same choices of guests and faults as another run; a new one by default
  --replicas <r>   reservation=2,inventory=2 … (two of each service)
  --hurry          holds of seconds rather than minutes, and a stack that is set to match: for a short run
  --out <file>     the whole report as JSON
  --keep           leaves the stack's folder with data and logs: HOLDFAST_HOME=<folder> npm start brings it back`

export interface Options {
  readonly minutes: number
  readonly bookings: number
  readonly everyMs: number
  readonly faults: readonly string[]
  readonly seed: number
  readonly replicas: Partial<Record<string, number>>
  readonly env: typeof usual | typeof hurried
  readonly holds: Holds
  readonly out: string | undefined
  readonly keep: boolean
  readonly list: boolean
  readonly logLevel: string
}

/** How long seats are held, in seconds: for who pays, for who lets the time pass, for who competes for few seats. */
export interface Holds {
  readonly usual: number
  readonly short: number
  readonly scarce: number
}

const twoOfEach = 'gateway=2,reservation=2,inventory=2,payment=2,timeout=2'

/** Production waits two minutes for Stripe before seats whose payment can't be closed go free: then money never comes late. */
const usual = { reservation: { CLOSE_DEADLINE_SECONDS: '10' }, inventory: {} }

/** What would take minutes takes seconds. Each is a setting of production; none turns anything off. */
const hurried = {
  reservation: { ...usual.reservation, WATCHDOG_SECONDS: '3', PAYMENT_POLL_SECONDS: '3,8' },
  inventory: { ALLOCATION_GRACE_SECONDS: '4', ALLOCATION_AUDIT_SECONDS: '2' },
}

export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '5' },
      bookings: { type: 'string' },
      every: { type: 'string', default: '7' },
      faults: { type: 'string', default: '' },
      seed: { type: 'string' },
      replicas: { type: 'string', default: twoOfEach },
      hurry: { type: 'boolean', default: false },
      out: { type: 'string' },
      keep: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  })
  const minutes = positive('--minutes', values.minutes)
  return {
    minutes,
    bookings: Math.round(positive('--bookings', values.bookings ?? String(minutes * 300))),
    everyMs: positive('--every', values.every) * 1_000,
    faults: values.faults.split(',').filter(Boolean),
    seed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    replicas: parseReplicas(values.replicas),
    env: values.hurry ? hurried : usual,
    holds: values.hurry ? { usual: 25, short: 3, scarce: 6 } : { usual: 120, short: 6, scarce: 20 },
    out: values.out,
    keep: values.keep,
    list: values.list,
    logLevel: process.env.LOG_LEVEL ?? 'info',
  }
}

function positive(name: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number) && number > 0) return number
  throw new Error(`${name} wants a number above 0, not "${text}".\n${usage}`)
}
