import {
  type CallFacts,
  type EventFacts,
  type FailedFacts,
  type OutboxFacts,
  type PaymentTraffic,
  type Traffic,
  trafficLimit,
} from '@holdfast/contracts/facts'
import type { Finding } from '@holdfast/contracts/routes/operations'
import { ageSeconds, type Bounds, standingOf } from './booking.ts'

/** What is on its way: outboxes, failed messages, calls to Stripe and its events. Pure. */

export type ServiceTraffic =
  | { readonly service: 'inventory' | 'reservation'; readonly traffic: Traffic }
  | { readonly service: 'payment'; readonly traffic: PaymentTraffic }

export function judgeTraffic(seen: ServiceTraffic, bounds: Bounds): Finding[] {
  const { service, traffic } = seen
  const { now, outbox, failed } = traffic
  const { calls, events } = seen.service === 'payment' ? seen.traffic : { calls: [], events: [] }
  return [
    ...outbox.map((row) => judgeOutbox(service, row, now, bounds)),
    ...failed.map((row) => judgeFailed(service, row, now, bounds)),
    ...calls.map((row) => judgeCall(row, now, bounds)),
    ...events.map((row) => judgeEvent(row, now, bounds)),
  ]
}

/** Whether there may be more of it than was shown. */
export const isCut = ({ traffic }: ServiceTraffic): boolean =>
  Object.values(traffic).some((rows) => Array.isArray(rows) && rows.length >= trafficLimit)

export function judgeOutbox(service: string, row: OutboxFacts, now: string, bounds: Bounds): Finding {
  const { id, type, reservationId, createdAt, parkedAt } = row
  const subject = reservationId ?? `${service}'s outbox`
  if (parkedAt) {
    const what = `${service}: the broker kept refusing ${type} (${id}); parked, nobody will try it again`
    return { subject, kind: 'parked', what, since: parkedAt, standing: 'drift' }
  }
  const what = `${service}: ${type} is not published yet`
  return { subject, kind: 'outbox', what, since: createdAt, standing: standingOf(createdAt, now, bounds.outbox) }
}

export function judgeFailed(service: string, row: FailedFacts, now: string, bounds: Bounds): Finding {
  const { id, type, reservationId, reason, retryAt, firstAt, handled } = row
  const common = { subject: reservationId ?? `${service}'s messages`, since: firstAt }
  if (handled) {
    const what = `${service}: ${type} (${id}) failed once and has been handled since; it may be discarded`
    return { ...common, kind: 'handled-since', what, standing: 'note' }
  }
  if (!retryAt)
    return { ...common, kind: 'dead-letter', what: `${service}: ${type} (${id}): ${reason}`, standing: 'drift' }
  const standing = standingOf(retryAt, now, bounds.wakeOverdue)
  const when = standing === 'drift' ? 'should have been tried again' : 'will be tried again'
  return { ...common, kind: 'failed', what: `${service}: ${type} ${when}: ${reason}`, standing }
}

/** The least number of tries that a Stripe which was away for the whole bound can have cost: then it is no old key anew. */
const manyTries = 10

export function judgeCall(row: CallFacts, now: string, bounds: Bounds): Finding {
  const { key, operation, reservationId, problem, tries, retryAt, createdAt } = row
  const said = problem ? `${problem.kind}${problem.code ? ` ${problem.code}` : ''}` : 'no answer yet'
  const isRefused = problem !== null && problem.kind !== 'unknown'
  const isAbandoned = ageSeconds(retryAt, now) > bounds.outbox
  // A key can be used anew long after it was made, so its age alone says nothing.
  const isOld = tries >= manyTries && ageSeconds(createdAt, now) > bounds.stripeCall
  const why = isRefused ? 'Stripe refuses it' : isAbandoned ? 'nobody tries it: is payment running?' : `${tries} tries`
  return {
    subject: reservationId ?? key,
    kind: 'stripe-call',
    what: `${operation} (${key}) is not done: ${why} (${said})`,
    since: createdAt,
    standing: isRefused || isAbandoned || isOld ? 'drift' : 'moving',
  }
}

export function judgeEvent(row: EventFacts, now: string, bounds: Bounds): Finding {
  const { id, type, state, paymentIntentId, receivedAt } = row
  const common = { subject: id, since: receivedAt }
  const about = `${type} about ${paymentIntentId}, which is none of ours`
  if (state === 'given_up')
    return { ...common, kind: 'event-given-up', what: `${about}: given up after a day`, standing: 'note' }
  const standing = standingOf(receivedAt, now, bounds.parkedEvent)
  return { ...common, kind: 'event-parked', what: `${about} (yet): parked`, standing }
}
