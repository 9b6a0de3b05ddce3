import type { AllocationFacts } from '@holdfast/contracts/facts'
import { type Booking, type Bounds, type ReservationFacts, type Said, standingOf } from './booking.ts'

/** A reservation by itself (does somebody look after it?) and against its seats. Pure. */

const isOpen = ({ status }: ReservationFacts) => status === 'held' || status === 'pending'

export function judgeProgress({ reservation, payment, now }: Booking, bounds: Bounds): Said[] {
  if (!reservation) return []
  const { status, wakeAt, movedAt, holdExpiresAt } = reservation
  const findings: Said[] = []
  const waitsFor = commandsOf(reservation)
  if (wakeAt === null && (isOpen(reservation) || waitsFor.length > 0))
    findings.push({
      kind: 'asleep',
      what: `${status} and not at its end, but nobody will look at it again (wake_at is null)`,
      since: movedAt,
      standing: 'drift',
    })
  if (wakeAt && standingOf(wakeAt, now, bounds.wakeOverdue) === 'drift')
    findings.push({
      kind: 'overdue',
      what: `${status}, and should have been looked at: is the sweep running?`,
      since: wakeAt,
      standing: 'drift',
    })
  if (isOpen(reservation) && now > holdExpiresAt) {
    // Where money may be under way, Stripe is waited for before the seats go.
    const bound = reservation.payment === 'none' ? bounds.wakeOverdue : bounds.closeDeadline + bounds.wakeOverdue
    const standing = standingOf(holdExpiresAt, now, bound)
    findings.push({ kind: 'not-ended', what: `${status}, and its time is over`, since: holdExpiresAt, standing })
  }
  for (const command of waitsFor) {
    // Its seats are free already; Stripe may take its time, as long as payment goes on asking.
    const waitsForStripe = command === 'ClosePayment' && !isOpen(reservation) && payment?.state === 'closing'
    const standing = waitsForStripe ? 'moving' : standingOf(movedAt, now, bounds.unanswered)
    findings.push({
      kind: 'unanswered',
      what: `${status}, waiting for the answer to ${command}`,
      since: movedAt,
      standing,
    })
  }
  return findings
}

function commandsOf({ seats, payment, refundsDue }: ReservationFacts): string[] {
  return [
    ...(seats === 'confirming' ? ['ConfirmSeats'] : []),
    ...(seats === 'releasing' ? ['ReleaseSeats'] : []),
    ...(seats === 'reacquiring' ? ['ReacquireSeats'] : []),
    ...(payment === 'closing' ? ['ClosePayment'] : []),
    ...refundsDue.map(({ paymentIntentId }) => `RefundPayment of ${paymentIntentId}`),
  ]
}

/** What inventory may have for each word that reservation has for its seats. */
const matching = {
  held: ['held'],
  confirming: ['held', 'booked'],
  booked: ['booked'],
  releasing: ['held', 'released', 'none', 'booked'],
  released: ['released', 'none'],
  reacquiring: ['held', 'released', 'none', 'booked'],
} as const satisfies Record<ReservationFacts['seats'], readonly (AllocationFacts['state'] | 'none')[]>

export function judgeSeats(booking: Booking, bounds: Bounds): Said[] {
  const { reservation, allocation, now } = booking
  const astray = allocation ? judgeAstray(allocation, now) : []
  if (!reservation) return allocation ? [...astray, ...judgeOrphan(allocation, now, bounds)] : []
  const { status, seats, movedAt } = reservation
  const state = allocation?.state ?? 'none'
  const findings: Said[] = [...astray]
  if (!(matching[seats] as readonly string[]).includes(state)) {
    const has = state === 'none' ? 'inventory has no seats for it' : `inventory has its seats ${state}`
    findings.push({
      kind: 'seats',
      what: `${status} with seats ${seats}, but ${has}`,
      since: movedAt,
      // ConfirmSeats takes seats again that somebody had let go.
      standing: seats === 'confirming' ? standingOf(movedAt, now, bounds.unanswered) : 'drift',
    })
  }
  const isOther = allocation?.guests !== reservation.guests || allocation.timeSlotId !== reservation.timeSlotId
  if ((state === 'held' || state === 'booked') && isOther)
    findings.push({
      kind: 'other-seats',
      what: `for ${reservation.guests} guests on slot ${reservation.timeSlotId}, but inventory has ${allocation?.guests} seats on slot ${allocation?.timeSlotId}`,
      since: movedAt,
      standing: 'drift',
    })
  return findings
}

/** Seats that no slot counts. */
function judgeAstray({ state, guests, timeSlotId, slotExists }: AllocationFacts, now: string): Said[] {
  if (state === 'released' || slotExists) return []
  const what = `${guests} seats ${state} on slot ${timeSlotId}, and there is no such slot`
  return [{ kind: 'slot-missing', what, since: now, standing: 'drift' }]
}

/** Seats without a reservation: an answer that got lost, and the audit finds it; anything but held ones is wrong. */
function judgeOrphan({ state, guests, timeSlotId, auditAt }: AllocationFacts, now: string, bounds: Bounds): Said[] {
  if (state === 'released') return []
  const standing = state === 'held' ? standingOf(auditAt, now, bounds.audit) : 'drift'
  const what = `${guests} seats ${state} on slot ${timeSlotId}, and there is no such reservation`
  return [{ kind: 'seats-without-reservation', what, since: auditAt, standing }]
}
