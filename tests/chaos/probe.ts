import { setTimeout as sleep } from 'node:timers/promises'
import type { Route } from '@holdfast/contracts/route'
import * as reservations from '@holdfast/contracts/routes/reservations'
import type { CallOptions } from '../support/api.ts'
import { cards } from '../support/stripe-js.ts'
import type { Offer } from './catalogue.ts'
import { within } from './client.ts'
import { type Diary, openDiary } from './diary.ts'
import type { Stage } from './stage.ts'

/** Bookings whose only aim is to see whether booking works. They have no patience: what fails is begun anew. */
export interface Probe {
  /** Milliseconds until a booking that began after now has gone well; undefined: not within the bound. */
  untilBooked(boundMs: number): Promise<number | undefined>
  readonly diaries: readonly Diary[]
}

const party = { numberOfGuests: 1, guestName: 'Probe', guestEmail: 'probe@example.com' }
const callMs = 6_000
const pauseMs = 50
const confirmedWithinMs = 5_000

export function createProbe(stage: Stage, offer: Offer): Probe {
  const diaries: Diary[] = []

  async function book(): Promise<void> {
    const diary = openDiary('probe', `probe-${diaries.length}`)
    diaries.push(diary)
    const ok = <R extends Route>(route: R, options: Omit<CallOptions<R>, 'as'>) =>
      within(callMs, stage.gateway().ok(route, { ...options, as: diary.user } as CallOptions<R>))
    try {
      const { reservation } = await ok(reservations.createHold, { body: { ...offer, ...party } })
      diary.holdId = reservation.id
      const converted = await ok(reservations.convertHold, { body: { holdId: reservation.id } })
      const { paymentIntentId } = converted.reservation
      if (paymentIntentId) diary.intentIds.add(paymentIntentId)
      const { status } = await stage.stripeJs.confirmCardPayment(String(converted.paymentClientSecret), cards.success)
      if (status !== 'succeeded') throw new Error('not paid')
      if (paymentIntentId) diary.paid.add(paymentIntentId)
      const deadline = Date.now() + confirmedWithinMs
      for (;;) {
        const { data } = await ok(reservations.getPaymentStatus, { params: { id: reservation.id } })
        if (data.reservationStatus === 'confirmed') break
        if (Date.now() > deadline) throw new Error('paid, and not confirmed')
        await sleep(pauseMs)
      }
      diary.confirmed = {}
      diary.ending = 'confirmed'
    } catch (error) {
      diary.ending = 'failed'
      throw error
    }
  }

  return {
    diaries,
    untilBooked: async (boundMs) => {
      const startedAt = performance.now()
      while (performance.now() - startedAt < boundMs) {
        const isBooked = await book().then(
          () => true,
          () => false,
        )
        if (isBooked) return performance.now() - startedAt
        await sleep(pauseMs)
      }
      return undefined
    },
  }
}
