import type { Which } from '@holdfast/contracts/facts'
import type { SeatsOnRecord } from '@holdfast/contracts/messages/inventory'
import type { PaymentsOnRecord } from '@holdfast/contracts/messages/payment'
import type { Finding, Standing, Verification } from '@holdfast/contracts/routes/operations'
import type { Booking, Bounds } from './booking.ts'
import { judge } from './judge.ts'
import { hasMoney, returnedOf } from './judge-money.ts'
import { idOfSubject, judgeSlot } from './judge-slot.ts'
import { isCut, judgeTraffic, type ServiceTraffic } from './judge-traffic.ts'
import { type Page, type ReservationsOnRecord, sideBySide } from './side-by-side.ts'

/** One look at everything, and a second one at what looked wrong: three databases are never read at one moment. */

/** Where the facts come from: the databases themselves, or the services that own them. */
export interface Sources {
  reservations(which: Which): Promise<ReservationsOnRecord>
  seats(which: Which): Promise<SeatsOnRecord>
  payments(which: Which): Promise<PaymentsOnRecord>
  /** About one reservation, or all. */
  traffic(reservationId: string | undefined): Promise<readonly ServiceTraffic[]>
}

export interface Options {
  readonly bounds: Bounds
  /** Rows of each kind read at once. */
  readonly pageSize: number
  /** Whatever was on its way between two databases when they were read has arrived after this. */
  readonly pause: () => Promise<unknown>
}

/** Part of a walk in the order of the ids. */
export interface Stretch {
  /** From the very beginning, what is on its way is looked at as well. */
  readonly after: string | undefined
  readonly mostBookings: number
  /** Asked after each page: enough for now? */
  readonly isTimeUp: () => boolean
}

export type Report = Omit<Verification, 'checkedAt'>

const beforeAll = '00000000-0000-0000-0000-000000000000'
const secondLooks = 2
/** A stretch ends after the page that reaches this. */
const manyFindings = 1_000

export const withStanding = (findings: readonly Finding[], standing: Standing) =>
  findings.filter((finding) => finding.standing === standing)

const hasDrift = (findings: readonly Finding[]) => findings.some(({ standing }) => standing === 'drift')

export async function verify(sources: Sources, stretch: Stretch, options: Options): Promise<Report> {
  const { bounds, pageSize } = options
  const counts = nothingYet()
  const findings: Finding[] = []
  let left = stretch.mostBookings
  let next: string | undefined = stretch.after ?? beforeAll
  do {
    const page: Page = await lookAt(sources, { after: next, limit: Math.min(pageSize, left) })
    count(page, counts)
    findings.push(...judgePage(page, bounds))
    left -= page.bookings.length
    next = page.next
  } while (next !== undefined && left > 0 && findings.length < manyFindings && !stretch.isTimeUp())
  const traffic = stretch.after === undefined ? () => sources.traffic(undefined) : async () => []
  return { ...counts, ...(await lookTwice(sources, findings, traffic, options)), next: next ?? null }
}

/** One booking and its slot, with whatever is on its way for it; nothing when nobody knows it. */
export async function verifyOne(sources: Sources, id: string, options: Options): Promise<Report | undefined> {
  const [booking] = (await lookAt(sources, { of: [id] })).bookings
  if (!booking) return undefined
  const slotIds = [booking.reservation?.timeSlotId, booking.allocation?.timeSlotId].filter((slotId) => slotId != null)
  const page = await lookAt(sources, { of: [...new Set([id, ...slotIds])] })
  const counts = nothingYet()
  count(page, counts)
  const seen = await lookTwice(sources, judgePage(page, options.bounds), () => sources.traffic(id), options)
  return { ...counts, ...seen, next: null }
}

/** Bookings and slots, as far as anybody knows them, asked at nearly the same moment. */
export async function lookAt(sources: Omit<Sources, 'traffic'>, which: Which): Promise<Page> {
  const seen = [sources.reservations(which), sources.seats(which), sources.payments(which)] as const
  return sideBySide(which, ...(await Promise.all(seen)))
}

const judgePage = ({ bookings, slots, now }: Page, bounds: Bounds): Finding[] => [
  ...bookings.flatMap((booking) => judge(booking, bounds)),
  ...slots.flatMap((slot) => judgeSlot(slot, now)),
]

async function lookTwice(
  sources: Sources,
  first: readonly Finding[],
  readTraffic: () => Promise<readonly ServiceTraffic[]>,
  { bounds, pageSize, pause }: Options,
): Promise<Pick<Report, 'findings' | 'truncated'>> {
  const judgeAll = (all: readonly ServiceTraffic[]) => all.flatMap((each) => judgeTraffic(each, bounds))
  let traffic = await readTraffic()
  let onTheirWay = judgeAll(traffic)
  let findings = first
  for (let look = 0; look < secondLooks && hasDrift([...findings, ...onTheirWay]); look += 1) {
    await pause()
    findings = await lookAgain(sources, findings, bounds, pageSize)
    if (!hasDrift(onTheirWay)) continue
    traffic = await readTraffic()
    onTheirWay = seenBefore(onTheirWay, judgeAll(traffic))
  }
  return { findings: [...findings, ...onTheirWay], truncated: traffic.some(isCut) }
}

/** Looks at everything that was drift once more, and at nothing else. */
async function lookAgain(
  sources: Sources,
  before: readonly Finding[],
  bounds: Bounds,
  atOnce: number,
): Promise<Finding[]> {
  const suspects = new Set(withStanding(before, 'drift').map(({ subject }) => subject))
  const ids = [...new Set([...suspects].map(idOfSubject))]
  const again: Finding[] = []
  for (let start = 0; start < ids.length; start += atOnce)
    again.push(...judgePage(await lookAt(sources, { of: ids.slice(start, start + atOnce) }), bounds))
  const isSuspect = ({ subject }: Finding) => suspects.has(subject)
  return [...before.filter((finding) => !isSuspect(finding)), ...seenBefore(before, again.filter(isSuspect))]
}

/** Drift is what both looks saw; what only the second one sees has begun since, and is somebody else's next run. */
function seenBefore(before: readonly Finding[], again: readonly Finding[]): Finding[] {
  const seen = new Set(before.map(nameOf))
  return again.map((finding) =>
    finding.standing === 'drift' && !seen.has(nameOf(finding)) ? { ...finding, standing: 'moving' as const } : finding,
  )
}

const nameOf = ({ subject, kind }: Finding) => `${subject} ${kind}`

interface Counts {
  readonly reservations: Report['reservations']
  readonly seats: Report['seats']
  readonly money: Report['money']
}

const nothingYet = (): Counts => ({
  reservations: {},
  seats: { slots: 0, capacity: 0, held: 0, booked: 0 },
  money: {},
})

function count({ bookings, slots }: Page, { reservations, seats, money }: Counts): void {
  for (const { capacity, held, booked } of slots) {
    seats.slots += 1
    seats.capacity += capacity
    seats.held += held
    seats.booked += booked
  }
  for (const booking of bookings) countBooking(booking, reservations, money)
}

function countBooking(
  { reservation, payment }: Booking,
  reservations: Counts['reservations'],
  money: Counts['money'],
): void {
  if (reservation) reservations[reservation.status] = (reservations[reservation.status] ?? 0) + 1
  for (const intent of payment?.intents ?? []) {
    if (!hasMoney(intent)) continue
    const total = money[intent.currency] ?? { captured: 0, returned: 0 }
    money[intent.currency] = total
    total.captured += intent.amountReceivedMinor
    total.returned += returnedOf(intent)
  }
}
