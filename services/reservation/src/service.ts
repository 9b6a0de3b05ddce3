import { getVerification } from '@holdfast/contracts/routes/operations'
import * as routes from '@holdfast/contracts/routes/reservations'
import { startService } from '@holdfast/service/service'
import { answerAudit, answerMoneyAudit } from './audit.ts'
import type { Settings } from './config.ts'
import { confirmReservation } from './confirm-reservation.ts'
import { convertHold } from './convert-hold.ts'
import { createHold } from './create-hold.ts'
import { handlers } from './handlers.ts'
import { paymentStatus } from './payment-status.ts'
import { listOfReservations, readReservation, timelineOf } from './read-reservations.ts'
import { releaseHold } from './release-hold.ts'
import { startSweep } from './sweep.ts'
import { verification } from './verification.ts'
import type { WakeSettings } from './wake.ts'

/** The reservation service: reservations, the saga, idempotency records and the timeline. */
export function startReservation(settings: Settings) {
  const wake: WakeSettings = {
    watchdogMs: settings.WATCHDOG_SECONDS * 1_000,
    closeDeadlineMs: settings.CLOSE_DEADLINE_SECONDS * 1_000,
    pollAfterMs: settings.PAYMENT_POLL_SECONDS.map((age) => age * 1_000),
  }

  return startService({
    name: 'reservation',
    settings,
    migrations: new URL('../migrations', import.meta.url),
    assemble: (parts) => {
      const { serve } = parts
      serve(routes.createHold, createHold({ ...parts, maxActiveHoldsPerSlot: settings.MAX_ACTIVE_HOLDS_PER_SLOT }), {
        idempotency: 'own',
      })
      serve(routes.convertHold, convertHold(parts, wake))
      serve(routes.confirmReservation, confirmReservation(parts, wake))
      serve(routes.releaseHold, releaseHold(parts, wake))
      serve(routes.getPaymentStatus, paymentStatus(parts, wake))
      serve(routes.listReservations, listOfReservations(parts))
      serve(routes.getReservation, readReservation(parts))
      serve(routes.getTimeline, timelineOf(parts))
      serve(getVerification, verification(parts, settings.CLOSE_DEADLINE_SECONDS))

      return {
        handlers: handlers(wake),
        answers: [answerAudit(parts), answerMoneyAudit(parts, wake)],
        loops: [startSweep(parts, settings.SWEEP_INTERVAL_SECONDS * 1_000, wake)],
      }
    },
  })
}
