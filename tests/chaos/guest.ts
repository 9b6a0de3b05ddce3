import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import type { Answer } from '../support/api.ts'
import type { Offer } from './catalogue.ts'
import { type Client, clientOf, codeOf, within } from './client.ts'
import type { Diary, Tally } from './diary.ts'
import type { Stage } from './stage.ts'

/** The steps of a booking, as a client takes them; what it is told goes into its diary. */
export interface Guest {
  readonly diary: Diary
  /** False: there is no hold, and the diary says why. */
  hold(offer: Offer, seats: number): Promise<boolean>
  /** A step that nobody can take any more has no result, and the diary says why. */
  convert(body?: Record<string, unknown>): Promise<Conversion | undefined>
  saveCard(card: string): Promise<string | undefined>
  pay(conversion: Conversion, card: string): Promise<Paid>
  authenticate(conversion: Conversion): Promise<void>
  /** Asks to confirm, as a client does that does not want to wait. */
  confirm(conversion: Conversion): Promise<void>
  poll(): Promise<void>
  release(): Promise<void>
  untilHoldEnds(plusMs: number): Promise<void>
  end(how: string): void
}

export interface Conversion {
  readonly intentId: string
  readonly clientSecret: string
  readonly requiresAction: boolean
}

/** `over`: the intent can't be paid any more, or has been. */
export type Paid = 'succeeded' | 'requires_action' | 'declined' | 'over' | 'unknown'

const stripePatienceMs = 20_000
const stripePauseMs = 300
const pollPatienceMs = 45_000
const pollPauseMs = 500

export function guestOf(stage: Stage, diary: Diary, tally: Tally, patienceMs = 60_000): Guest {
  const client = clientOf(stage, diary, tally, patienceMs)
  const key = randomUUID()
  let conversions = 0
  let holdEndsAt = 0

  const end = (how: string) => {
    if (diary.ending === 'under way') diary.ending = how
  }
  /** Ends with what was answered; what no client should hear here is noted as wrong. */
  function refused(step: string, answer: Answer | undefined, ...expected: string[]): undefined {
    end(answer ? `${step}: ${codeOf(answer)}` : `${step}: gave up`)
    if (answer && !expected.includes(codeOf(answer)))
      diary.wrong.push(`${step}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }

  return {
    ...{ diary, end },
    ...paying(stage, diary, client),
    async hold(offer, seats) {
      const body = { ...offer, numberOfGuests: seats, guestName: diary.user, guestEmail: 'guest@example.com' }
      const answer = await client.ask(reservations.createHold, { body, key })
      if (answer?.status !== 200) {
        refused('hold', answer, 'TIME_SLOT_NOT_AVAILABLE', 'NOT_ENOUGH_CAPACITY', 'HOLD_EXPIRED')
        return false
      }
      const { id, holdExpiresAt } = (answer.body as { reservation: { id: string; holdExpiresAt: string } }).reservation
      diary.holdId = id
      holdEndsAt = Date.parse(holdExpiresAt)
      return true
    },
    async convert(body = {}) {
      conversions += 1
      const suffix = conversions === 1 ? '' : `-${conversions}`
      const answer = await client.ask(reservations.convertHold, {
        body: { holdId: diary.holdId, ...body },
        key: `${key}-convert${suffix}`,
      })
      // That it is no hold any more is right where it has been paid already.
      if (answer?.status !== 200)
        return refused('convert', answer, 'HOLD_EXPIRED', 'INVALID_HOLD_STATUS', 'PAYMENT_CARD_DECLINED')
      const { reservation, paymentClientSecret, requiresAction } = answer.body as ConvertAnswer
      diary.intentIds.add(reservation.paymentIntentId)
      return { intentId: reservation.paymentIntentId, clientSecret: paymentClientSecret, requiresAction }
    },
    async confirm({ intentId }) {
      const body = { reservationId: diary.holdId, paymentIntentId: intentId }
      const answer = await client.ask(reservations.confirmReservation, { body })
      // Paid too late, it may be over for good, or not confirmed yet.
      if (answer?.status !== 200)
        return refused('confirm', answer, 'HOLD_EXPIRED', 'PAYMENT_PROCESSING_FAILED', 'INVALID_HOLD_STATUS')
      const { reservationReference } = (answer.body as { reservation: { reservationReference: string } }).reservation
      diary.confirmed = { reference: reservationReference }
      end('confirmed')
    },
    async poll() {
      const deadline = Date.now() + pollPatienceMs
      while (Date.now() < deadline) {
        const answer = await client.ask(reservations.getPaymentStatus, { params: { id: diary.holdId ?? '' } })
        if (answer?.status !== 200) return refused('poll', answer)
        const { reservationStatus } = (answer.body as { data: { reservationStatus: string } }).data
        if (reservationStatus === 'confirmed') diary.confirmed ??= {}
        if (['confirmed', 'expired', 'cancelled'].includes(reservationStatus)) return end(reservationStatus)
        await sleep(pollPauseMs)
      }
      end('poll: gave up')
    },
    async release() {
      const answer = await client.ask(reservations.releaseHold, { params: { id: diary.holdId ?? '' } })
      if (answer?.status !== 200) return refused('release', answer, 'HOLD_EXPIRED', 'INVALID_HOLD_STATUS')
      diary.cancelled = true
      end('cancelled')
    },
    untilHoldEnds: async (plusMs) => {
      await sleep(Math.max(0, holdEndsAt + plusMs - Date.now()))
    },
  }
}

interface ConvertAnswer {
  readonly reservation: { readonly paymentIntentId: string }
  readonly paymentClientSecret: string
  readonly requiresAction: boolean
}

/** What the browser does with Stripe. Stripe.js, too, tries again what had no answer. */
function paying({ stripeJs }: Stage, diary: Diary, client: Client): Pick<Guest, 'saveCard' | 'pay' | 'authenticate'> {
  async function insist<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
    const deadline = Date.now() + stripePatienceMs
    while (Date.now() < deadline) {
      const result = await within(stripePatienceMs, work()).catch(() => undefined)
      if (result !== undefined) return result
      await sleep(stripePauseMs)
    }
    return undefined
  }

  return {
    async saveCard(card) {
      const paymentMethodId = await insist(() => stripeJs.createPaymentMethod(card))
      if (paymentMethodId === undefined) return undefined
      const answer = await client.ask(payments.addPaymentMethod, { body: { paymentMethodId } })
      if (answer?.status === 200) return (answer.body as { data: { id: string } }).data.id
      if (answer) diary.wrong.push(`saving a card: ${answer.status} ${JSON.stringify(answer.body)}`)
      return undefined
    },
    async pay({ intentId, clientSecret }, card) {
      const paid = await insist(async (): Promise<Paid | undefined> => {
        const { status, error } = await stripeJs.confirmCardPayment(clientSecret, card)
        if (status === 'succeeded') return 'succeeded'
        if (status === 'requires_action') return 'requires_action'
        if (error?.code === 'payment_intent_unexpected_state') return 'over'
        if (error?.code === 'card_declined') return 'declined'
        return undefined
      })
      if (paid === 'succeeded') diary.paid.add(intentId)
      return paid ?? 'unknown'
    },
    async authenticate({ intentId }) {
      const isDone = await insist(async () => {
        await stripeJs.authenticate(intentId, 'succeed')
        return true
      })
      if (isDone) diary.paid.add(intentId)
    },
  }
}
