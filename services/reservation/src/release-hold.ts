import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import type { releaseHold as route } from '@holdfast/contracts/routes/reservations'
import type { Call } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import type { z } from 'zod'
import { whenReleased } from './booking-saga.ts'
import { isOpen, isOver, type Reservation } from './reservation.ts'
import { lockReservation, write } from './store.ts'
import type { WakeSettings } from './wake.ts'
import { whenDecided } from './when-decided.ts'

/** The guest gives a hold back. Where a payment was opened, it is closed first; the request waits for that. */

type Answer = z.input<typeof route.reply>

const patienceMs = 4_000

export function releaseHold({ messaging, database }: Pick<Parts, 'messaging' | 'database'>, wake: WakeSettings) {
  return async ({ params, user }: Call<typeof route>): Promise<Answer> => {
    const asked = await messaging.transact(async (tx) => {
      const before = await lockReservation(tx, params.id)
      if (before?.userId !== user.id) throw new DomainError('RESERVATION_NOT_FOUND')
      if (!isOpen(before)) return before
      if (isOver(before, before.now)) {
        if (before.payment === 'none') throw new DomainError('HOLD_EXPIRED')
        // It may have been paid in time: what its end comes to is waited for.
        return before
      }
      const step = whenReleased(before, before.now)
      if (step.reservation !== before) await write(tx, before, step, wake)
      return { ...step.reservation, now: before.now }
    })
    const decided = await whenDecided(database, asked, patienceMs, (seen) => !isOpen(seen))
    // It will be carried through all the same; asking again answers with what came of it.
    if (isOpen(decided)) throw new Unavailable('the payment could not be closed yet')
    return answerOf(decided)
  }
}

function answerOf({ id, status }: Reservation): Answer {
  switch (status) {
    case 'cancelled':
      return { reservation: { id, status } }
    case 'expired':
      throw new DomainError('HOLD_EXPIRED')
    case 'held':
    case 'pending':
    case 'confirmed':
      throw new DomainError('INVALID_HOLD_STATUS')
  }
}
