import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import { ReadInventoryTraffic, ReadSeats } from '@holdfast/contracts/messages/inventory'
import { ReadPayments, ReadPaymentTraffic } from '@holdfast/contracts/messages/payment'
import type { getVerification as route } from '@holdfast/contracts/routes/operations'
import type { Call } from '@holdfast/http/server'
import { readTraffic } from '@holdfast/messaging/traffic'
import type { Parts } from '@holdfast/service/service'
import { defaultBounds } from '@holdfast/verification/booking'
import { type Options, type Sources, verify, verifyOne } from '@holdfast/verification/verification'
import type { z } from 'zod'
import { readReservations } from './facts.ts'

/** The promises, held against what all three services have on record: they are asked, for nobody reads another's tables. */

type Answer = z.input<typeof route.reply>

/** The gateway waits 4.25 s. What is left after walking is for the two second looks and for a busy machine. */
const walkMs = 1_500
const pauseMs = 500
const patienceMs = 4_000
/** Rows of each kind at once: few enough that nobody is kept from serving guests meanwhile. */
const pageSize = 500

export function verification(parts: Pick<Parts, 'database' | 'messaging'>, closeDeadlineSeconds: number) {
  const sources = sourcesOf(parts)
  const options: Options = {
    bounds: { ...defaultBounds, closeDeadline: closeDeadlineSeconds },
    pageSize,
    pause: () => sleep(pauseMs),
  }

  return async ({ query }: Call<typeof route>): Promise<Answer> => {
    const { reservationId, after, limit } = query
    const end = Date.now() + walkMs
    const stretch = { after, mostBookings: limit, isTimeUp: () => Date.now() >= end }
    const looking = reservationId ? verifyOne(sources, reservationId, options) : verify(sources, stretch, options)
    const report = await inTime(looking)
    if (!report) throw new DomainError('RESERVATION_NOT_FOUND')
    return { checkedAt: new Date().toISOString(), ...report }
  }
}

function sourcesOf({ database, messaging }: Pick<Parts, 'database' | 'messaging'>): Sources {
  const { ask } = messaging
  return {
    reservations: (which) => readReservations(database, which),
    seats: (which) => ask(ReadSeats, which),
    payments: (which) => ask(ReadPayments, which),
    traffic: async (reservationId) => {
      const [inventory, reservation, payment] = await Promise.all([
        ask(ReadInventoryTraffic, { reservationId }),
        readTraffic(database, reservationId),
        ask(ReadPaymentTraffic, { reservationId }),
      ])
      return [
        { service: 'inventory', traffic: inventory },
        { service: 'reservation', traffic: reservation },
        { service: 'payment', traffic: payment },
      ]
    },
  }
}

/** Better a 503 of ours than one of the gateway's, whose breaker would count it. */
async function inTime<T>(looking: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Unavailable('looking took too long; a smaller limit may help')), patienceMs)
  try {
    return await Promise.race([looking, late])
  } finally {
    clearTimeout(timer)
  }
}
