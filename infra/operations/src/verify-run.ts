import { setTimeout as sleep } from 'node:timers/promises'
import type { Booking, Bounds, Finding, Standing } from './booking.ts'
import type { Databases } from './databases.ts'
import { judge } from './judge.ts'
import { hasMoney, returnedOf } from './judge-money.ts'
import { allBookings, readBookings } from './read-bookings.ts'
import { judgeSlots, type SeatTotals, seatTotals } from './slots.ts'
import { judgeStripe, type StripeDoor } from './stripe-side.ts'
import { judgeTraffic } from './traffic.ts'

/** One look at everything, and a second one at what looked wrong: three databases are never read at one moment. */

export interface Money {
  captured: number
  returned: number
}

export interface Report {
  readonly reservations: Readonly<Record<string, number>>
  readonly seats: SeatTotals
  /** By currency, in minor units. */
  readonly money: Readonly<Record<string, Money>>
  readonly stripeIntents: number | undefined
  readonly findings: readonly Finding[]
}

export interface VerifyOptions {
  readonly bounds: Bounds
  readonly stripe?: (StripeDoor & { readonly days: number }) | undefined
}

/** Whatever was on its way between two databases when they were read has arrived by then. */
const secondLookAfterMs = 2_000
const secondLooks = 2
const idsAtOnce = 2_000

export const withStanding = (findings: readonly Finding[], standing: Standing) =>
  findings.filter((finding) => finding.standing === standing)

export async function verify(databases: Databases, options: VerifyOptions): Promise<Report> {
  const { bounds, stripe } = options
  const reservations: Record<string, number> = {}
  const money: Record<string, Money> = {}
  let findings: Finding[] = []
  for await (const page of allBookings(databases)) {
    for (const booking of page) {
      count(booking, reservations, money)
      findings.push(...judge(booking, bounds))
    }
  }
  const [slots, seats, traffic, atStripe] = await Promise.all([
    judgeSlots(databases),
    seatTotals(databases),
    judgeTraffic(databases, bounds),
    stripe && judgeStripe(databases, stripe, stripe.days),
  ])
  let others = [...slots, ...traffic, ...(atStripe?.findings ?? [])]
  for (let look = 0; look < secondLooks && hasDrift([...findings, ...others]); look += 1) {
    await sleep(secondLookAfterMs)
    findings = await lookAgain(databases, findings, bounds)
    if (hasDrift(others)) {
      const again = [...(await judgeSlots(databases)), ...(await judgeTraffic(databases, bounds))]
      const stripeAgain =
        stripe && hasDrift(atStripe?.findings ?? []) ? judgeStripe(databases, stripe, stripe.days) : atStripe
      others = [...again, ...((await stripeAgain)?.findings ?? [])]
    }
  }
  return { reservations, seats, money, stripeIntents: atStripe?.intents, findings: [...findings, ...others] }
}

const hasDrift = (findings: readonly Finding[]) => findings.some(({ standing }) => standing === 'drift')

/** Drift is what both looks saw; what only the second one sees has begun since, and is somebody else's next run. */
async function lookAgain(databases: Databases, before: readonly Finding[], bounds: Bounds): Promise<Finding[]> {
  const suspects = [...new Set(withStanding(before, 'drift').map(({ subject }) => subject))]
  const seen = new Set(before.map(nameOf))
  const again: Finding[] = []
  for (let start = 0; start < suspects.length; start += idsAtOnce)
    for (const booking of await readBookings(databases, suspects.slice(start, start + idsAtOnce)))
      again.push(...judge(booking, bounds))
  const confirmed = again.map((finding) =>
    finding.standing === 'drift' && !seen.has(nameOf(finding)) ? { ...finding, standing: 'moving' as const } : finding,
  )
  const suspected = new Set(suspects)
  return [...before.filter(({ subject }) => !suspected.has(subject)), ...confirmed]
}

const nameOf = ({ subject, kind }: Finding) => `${subject} ${kind}`

function count({ reservation, payment }: Booking, reservations: Record<string, number>, money: Record<string, Money>) {
  if (reservation) reservations[reservation.status] = (reservations[reservation.status] ?? 0) + 1
  for (const intent of payment?.intents ?? []) {
    if (!hasMoney(intent)) continue
    const total = money[intent.currency] ?? { captured: 0, returned: 0 }
    money[intent.currency] = total
    total.captured += intent.amountReceivedMinor
    total.returned += returnedOf(intent)
  }
}

/** Runs until nothing is wrong and nothing moves, or the time is over; the last report. */
export async function verifyUntilQuiet(
  databases: Databases,
  options: VerifyOptions & { waitSeconds: number },
): Promise<Report> {
  const deadline = Date.now() + options.waitSeconds * 1_000
  for (;;) {
    const report = await verify(databases, options)
    const isQuiet = report.findings.every(({ standing }) => standing === 'note')
    if (isQuiet || Date.now() >= deadline) return report
    await sleep(Math.min(1_000, Math.max(0, deadline - Date.now())))
  }
}
