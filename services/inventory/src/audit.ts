import { Unavailable } from '@holdfast/contracts/errors'
import { AuditAllocations } from '@holdfast/contracts/messages/reservation'
import { statement } from '@holdfast/db/database'
import { type Loop, startLoop } from '@holdfast/runtime/loop'
import type { Parts } from '@holdfast/service/service'
import type { Settings } from './config.ts'
import { releaseSeats } from './release-seats.ts'

/** As many as one question may name. */
const atOnce = 500

/**
 * Held seats whose hold is over. Whoever is asked is not asked by another instance, nor again by this one, for as long as
 * the grace is: should the answer be lost, that is when it is asked for again.
 */
const takeSuspicious = statement<{ reservationId: string }>(
  'audit.take',
  `update allocation set audit_at = now()
   where reservation_id in (
     select reservation_id from allocation
     where state = 'held' and audit_at <= now() - make_interval(secs => $1)
     order by audit_at limit ${atOnce} for update skip locked
   )
   returning reservation_id as "reservationId"`,
)

/** A payment may be pending for long: each time, wait twice as long, up to an hour. */
const postpone = statement(
  'audit.postpone',
  `update allocation set audits = audits + 1,
     audit_at = now() + make_interval(secs => least(3600, 30 * 2 ^ least(audits, 10)))
   where reservation_id = any($1::uuid[]) and state = 'held'`,
)

type AuditParts = Pick<Parts, 'database' | 'messaging' | 'logger'>

/**
 * Finds seats that nobody has any more: the answer to AllocateSeats was lost and no reservation came to be, or a release
 * was. Reservation decides; whatever it does not release is kept.
 */
export function startAudit(parts: AuditParts, settings: Settings): Loop {
  const everyMs = settings.ALLOCATION_AUDIT_SECONDS * 1_000
  return startLoop('the allocation audit', everyMs, parts.logger, () =>
    auditOnce(parts, settings.ALLOCATION_GRACE_SECONDS),
  )
}

/** One batch; says whether there may be more. */
async function auditOnce({ database, messaging, logger }: AuditParts, graceSeconds: number): Promise<boolean> {
  /** Seats that cannot be freed are asked about again, and are in the way of nobody else's. */
  async function free(reservationId: string): Promise<void> {
    try {
      await database.transaction((tx) => releaseSeats(tx, reservationId, logger))
    } catch (error) {
      if (error instanceof Unavailable) throw error
      logger.error({ err: error, reservationId }, 'seats that nobody has could not be freed')
    }
  }

  if (!messaging.connected()) return false
  const taken = await database.many(takeSuspicious, [graceSeconds])
  if (taken.length === 0) return false
  const reservationIds = taken.map((row) => row.reservationId)
  const { release } = await messaging.ask(AuditAllocations, { reservationIds })

  const asked = new Set(reservationIds)
  const over = release.filter((id) => asked.has(id))
  // One by one: each locks its slot, and a hot slot should not wait for all of them.
  for (const id of over) await free(id)
  const kept = [...asked].filter((id) => !over.includes(id))
  await database.run(postpone, [kept])
  logger.info({ released: over.length, kept: kept.length }, 'audited allocations')
  return taken.length === atOnce
}
