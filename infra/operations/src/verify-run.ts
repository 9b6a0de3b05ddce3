import { setTimeout as sleep } from 'node:timers/promises'
import type { Bounds } from '@holdfast/verification/booking'
import { type Report, verify, withStanding } from '@holdfast/verification/verification'
import type { Databases } from './databases.ts'
import { sourcesIn } from './sources.ts'
import { judgeStripe, type StripeDoor, type StripeView } from './stripe-side.ts'
import { walk } from './walk.ts'

/** The whole of all three databases, and Stripe's lists where they are wanted. */

export interface WholeReport extends Report {
  readonly stripeIntents?: number
}

type Stripe = StripeDoor & { readonly days: number }

/** Whatever was on its way between two databases when they were read has arrived by then. */
const pauseMs = 2_000
const secondLooks = 2
const pageSize = 2_000

export async function verifyDatabases(
  databases: Databases,
  { bounds, stripe }: { bounds: Bounds; stripe?: Stripe | undefined },
): Promise<WholeReport> {
  const options = { bounds, pageSize, pause: () => sleep(pauseMs) }
  const sources = sourcesIn(databases)
  const [here, there] = await Promise.all([
    walk((after) => verify(sources, { after, mostBookings: Number.MAX_SAFE_INTEGER, isTimeUp: () => false }, options)),
    stripe && lookAtStripe(databases, stripe),
  ])
  if (!there) return here
  return { ...here, stripeIntents: there.intents, findings: [...here.findings, ...there.findings] }
}

async function lookAtStripe(databases: Databases, stripe: Stripe): Promise<StripeView> {
  let seen = await judgeStripe(databases, stripe, stripe.days)
  for (let look = 0; look < secondLooks && withStanding(seen.findings, 'drift').length > 0; look += 1) {
    await sleep(pauseMs)
    seen = await judgeStripe(databases, stripe, stripe.days)
  }
  return seen
}

/** Runs until nothing is wrong and nothing moves, or the time is over; the last report. */
export async function untilQuiet(waitSeconds: number, look: () => Promise<WholeReport>): Promise<WholeReport> {
  const deadline = Date.now() + waitSeconds * 1_000
  for (;;) {
    const report = await look()
    const isQuiet = report.findings.every(({ standing }) => standing === 'note')
    if (isQuiet || Date.now() >= deadline) return report
    await sleep(Math.min(1_000, Math.max(0, deadline - Date.now())))
  }
}
