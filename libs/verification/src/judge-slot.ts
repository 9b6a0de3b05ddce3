import type { SlotFacts } from '@holdfast/contracts/facts'
import type { Finding } from '@holdfast/contracts/routes/operations'

/** A slot against the sums of its allocations, both of the same moment. Pure. */

const prefix = 'slot '
export const slotSubject = (id: string): string => `${prefix}${id}`

/** The id that a finding's subject is about, a reservation's or a slot's. */
export const idOfSubject = (subject: string): string =>
  subject.startsWith(prefix) ? subject.slice(prefix.length) : subject

export function judgeSlot(slot: SlotFacts, now: string): Finding[] {
  const { id, capacity, held, booked, heldSum, bookedSum } = slot
  const isOver = held < 0 || booked < 0 || held + booked > capacity || heldSum + bookedSum > capacity
  if (!isOver && held === heldSum && booked === bookedSum) return []
  const counts = `held ${held}, booked ${booked} of ${capacity}; its allocations add up to ${heldSum} and ${bookedSum}`
  const what = isOver ? `sold more than there is: ${counts}` : counts
  return [{ subject: slotSubject(id), kind: isOver ? 'oversold' : 'slot-sums', what, since: now, standing: 'drift' }]
}
