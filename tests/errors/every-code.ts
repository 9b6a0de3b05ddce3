import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { apiAt } from '../support/api.ts'
import { expectError } from '../support/errors.ts'
import {
  aHold,
  anExperience,
  anOffer,
  aPendingReservation,
  aTimeSlot,
  aUser,
  holdBody,
  untilStatus,
} from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

/** Each code of the table is reached, and its whole answer is looked at. */
export function everyErrorCode(stack: TestStack): void {
  let guest: string
  beforeEach(() => {
    guest = aUser()
  })
  const hold = (body: unknown) => stack.api.call(reservations.createHold, { as: guest, body })
  const convert = (holdId: string, more: Record<string, unknown> = {}, key?: string) =>
    stack.api.call(reservations.convertHold, {
      as: guest,
      body: { holdId, ...more },
      ...(key !== undefined && { key }),
    })
  const confirm = (reservationId: string, paymentIntentId: string) =>
    stack.api.call(reservations.confirmReservation, { as: guest, body: { reservationId, paymentIntentId } })

  describe('the error table: holds', () => {
    test('TIME_SLOT_NOT_FOUND: no such slot, no such experience, a slot of another experience', async () => {
      const offer = await anOffer(stack)
      const other = await anExperience(stack)
      expectError(await hold(holdBody({ ...offer, timeSlotId: randomUUID() })), 'TIME_SLOT_NOT_FOUND')
      expectError(await hold(holdBody({ ...offer, experienceId: randomUUID() })), 'TIME_SLOT_NOT_FOUND')
      expectError(await hold(holdBody({ ...offer, experienceId: other.id })), 'TIME_SLOT_NOT_FOUND')
    })

    test('TIME_SLOT_NOT_AVAILABLE: no seat is left, the slot is closed, it has started, the experience is archived', async () => {
      const full = await anOffer(stack, { slot: { capacity: 2 } })
      await aHold(stack, aUser(), full)
      expectError(await hold(holdBody(full, { numberOfGuests: 1 })), 'TIME_SLOT_NOT_AVAILABLE')

      const closed = await anOffer(stack)
      const status = 'closed'
      const params = { id: closed.timeSlotId }
      await stack.api.ok(catalog.updateTimeSlot, { as: operator, params, body: { status } })
      expectError(await hold(holdBody(closed)), 'TIME_SLOT_NOT_AVAILABLE')

      const startsAt = new Date(Date.now() + 2_500).toISOString()
      const soon = await anOffer(stack, { slot: { startsAt, capacity: 10_000 } })
      const refused = await eventually('the slot has started', async () => {
        const answer = await hold(holdBody(soon, { numberOfGuests: 1 }))
        return answer.status !== 200 && answer
      })
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(startsAt))
      expectError(refused, 'TIME_SLOT_NOT_AVAILABLE')

      const archived = await anOffer(stack)
      await stack.api.ok(catalog.updateExperience, {
        as: operator,
        params: { id: archived.experienceId },
        body: { status: 'archived' },
      })
      expectError(await hold(holdBody(archived)), 'TIME_SLOT_NOT_AVAILABLE')
    })

    test('NOT_ENOUGH_CAPACITY says how many are left', async () => {
      const offer = await anOffer(stack, { slot: { capacity: 3 } })
      await aHold(stack, aUser(), offer)
      expectError(await hold(holdBody(offer, { numberOfGuests: 2 })), 'NOT_ENOUGH_CAPACITY', { available: 1 })
    })

    test('HOLD_EXPIRED: convert, confirm and release when the time is over', async () => {
      const offer = await anOffer(stack, { experience: { holdSeconds: 2 }, slot: { capacity: 4 } })
      const { id } = await aHold(stack, guest, offer)
      const pending = await aPendingReservation(stack, guest, offer)
      for (const each of [id, pending.id]) {
        await untilStatus(stack, guest, each, 'expired')
        expectError(await convert(each), 'HOLD_EXPIRED')
        expectError(await stack.api.call(reservations.releaseHold, { as: guest, params: { id: each } }), 'HOLD_EXPIRED')
        expectError(await confirm(each, pending.paymentIntentId), 'HOLD_EXPIRED')
      }
    })

    test('INVALID_HOLD_STATUS: a cancelled hold, and a confirm of one that was never converted', async () => {
      const { id } = await aHold(stack, guest)
      expectError(await confirm(id, 'pi_never_made'), 'INVALID_HOLD_STATUS')
      await stack.api.ok(reservations.releaseHold, { as: guest, params: { id } })
      expectError(await convert(id), 'INVALID_HOLD_STATUS')
      expectError(await confirm(id, 'pi_never_made'), 'INVALID_HOLD_STATUS')
    })
  })

  describe('the error table: what does not exist', () => {
    test('RESERVATION_NOT_FOUND, wherever a reservation is named', async () => {
      const id = randomUUID()
      const params = { id }
      expectError(await convert(id), 'RESERVATION_NOT_FOUND')
      expectError(await confirm(id, 'pi_x'), 'RESERVATION_NOT_FOUND')
      for (const route of [
        reservations.getReservation,
        reservations.getPaymentStatus,
        reservations.getTimeline,
        reservations.releaseHold,
      ])
        expectError(await stack.api.call(route, { as: guest, params }), 'RESERVATION_NOT_FOUND')
    })

    test('EXPERIENCE_NOT_FOUND and TIME_SLOT_NOT_FOUND in the catalogue', async () => {
      const params = { id: randomUUID() }
      const slot = { startsAt: '2099-01-01T10:00:00Z', endsAt: '2099-01-01T11:00:00Z', capacity: 1 }
      const calls = [
        stack.api.call(catalog.getExperience, { as: guest, params }),
        stack.api.call(catalog.listTimeSlots, { as: guest, params }),
        stack.api.call(catalog.updateExperience, { as: operator, params, body: { title: 'x' } }),
        stack.api.call(catalog.createTimeSlot, { as: operator, params, body: slot }),
      ]
      for (const answer of await Promise.all(calls)) expectError(answer, 'EXPERIENCE_NOT_FOUND')
      expectError(await stack.api.call(catalog.getTimeSlot, { as: guest, params }), 'TIME_SLOT_NOT_FOUND')
      const patch = { as: operator, params, body: { capacity: 1 } }
      expectError(await stack.api.call(catalog.updateTimeSlot, patch), 'TIME_SLOT_NOT_FOUND')
    })

    test('PAYMENT_METHOD_NOT_FOUND: unknown, and of the wrong kind on either side', async () => {
      const stripes = await stack.stripeJs.createPaymentMethod(cards.success)
      const body = { paymentMethodId: stripes }
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body })
      const { id } = await aHold(stack, guest)
      for (const paymentMethodId of [stripes, randomUUID(), 'x', `${data.id}x`])
        expectError(await convert(id, { paymentMethodId }), 'PAYMENT_METHOD_NOT_FOUND')
      for (const paymentMethodId of ['pm_unknown', data.id, 'cus_1', '../customers'])
        expectError(
          await stack.api.call(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } }),
          'PAYMENT_METHOD_NOT_FOUND',
        )
      for (const wrong of [stripes, randomUUID(), 'x', 'a/b'])
        for (const route of [payments.deletePaymentMethod, payments.setDefaultPaymentMethod])
          expectError(await stack.api.call(route, { as: guest, params: { id: wrong } }), 'PAYMENT_METHOD_NOT_FOUND')
    })

    test.each([
      ['GET', '/'],
      ['GET', '/v1'],
      ['GET', '/v1/reservations/hold/convert/more'],
      ['GET', '/v2/reservations'],
      ['GET', '/metrics'],
      ['PUT', '/v1/reservations'],
      ['PATCH', '/v1/reservations/hold'],
      ['DELETE', '/v1/experiences'],
      ['POST', '/v1/reservations'],
      ['GET', '/v1/webhooks/stripe'],
      ['POST', '/health/live'],
      ['GET', '/v1/../../etc/passwd'],
      ['GET', '/.env'],
    ])('NOT_FOUND: %s %s', async (method, path) => {
      expectError(await stack.api.send(method, path, { as: guest }), 'NOT_FOUND')
    })
  })

  describe('the error table: payments', () => {
    test.each([['PAYMENT_CARD_DECLINED', cards.declinesWhenCharged, 'generic_decline']] as const)(
      '%s, with the reason of the bank',
      async (code, card, declineCode) => {
        const paymentMethodId = await stack.stripeJs.createPaymentMethod(card)
        const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })
        const { id } = await aHold(stack, guest)
        expectError(await convert(id, { paymentMethodId: data.id }), code, { declineCode })
      },
    )

    test.each([
      ['declined', cards.declined, 'generic_decline'],
      ['without funds', cards.insufficientFunds, 'insufficient_funds'],
    ])('PAYMENT_CARD_DECLINED: a card that is %s cannot be saved', async (_what, card, declineCode) => {
      const paymentMethodId = await stack.stripeJs.createPaymentMethod(card)
      expectError(
        await stack.api.call(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } }),
        'PAYMENT_CARD_DECLINED',
        { declineCode },
      )
      expect((await stack.api.ok(payments.listPaymentMethods, { as: guest })).data).toEqual([])
    })

    test('PAYMENT_PROCESSING_FAILED: not yet paid, and an intent that is not of this reservation', async () => {
      const pending = await aPendingReservation(stack, guest)
      const other = await aPendingReservation(stack, guest)
      expectError(await confirm(pending.id, pending.paymentIntentId), 'PAYMENT_PROCESSING_FAILED', {
        stripeStatus: 'requires_payment_method',
      })
      for (const foreign of [other.paymentIntentId, 'pi_unknown', 'anything at all'])
        expectError(await confirm(pending.id, foreign), 'PAYMENT_PROCESSING_FAILED', { reason: expect.any(String) })
    })

    test('PAYMENT_PROCESSING_FAILED: more than Stripe takes for one charge', async () => {
      const offer = await anOffer(stack, { experience: { pricePerGuest: 99_999_999 }, slot: { capacity: 10_000 } })
      for (const numberOfGuests of [2, 10_000]) {
        const { id, totalPrice } = await aHold(stack, guest, offer, { numberOfGuests: numberOfGuests - 1 })
        expect(totalPrice).toBe((numberOfGuests - 1) * 99_999_999)
        const answer = await convert(id)
        if (numberOfGuests === 2) expect(answer.status).toBe(200)
        else expectError(answer, 'PAYMENT_PROCESSING_FAILED', { reason: expect.any(String) })
      }
    })
  })

  describe('the error table: who and how much', () => {
    test('UNAUTHORIZED: no token, no bearer, garbage, a forged signature, another claim', async () => {
      const token = await stack.token(guest)
      const [head = '', claims = '', signature = ''] = token.split('.')
      const otherClaims = Buffer.from(JSON.stringify({ ...decoded(claims), 'cognito:groups': ['operators'] }))
      const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
      const wrong = [
        {},
        { authorization: '' },
        { authorization: 'Bearer' },
        { authorization: `Basic ${token}` },
        { authorization: token },
        { authorization: 'Bearer not.a.token' },
        { authorization: `Bearer ${head}.${claims}.${[...signature].reverse().join('')}` },
        { authorization: `Bearer ${head}.${otherClaims.toString('base64url')}.${signature}` },
        { authorization: `Bearer ${none}.${claims}.` },
      ]
      for (const headers of wrong)
        expectError(await stack.api.send('GET', '/v1/reservations', { headers } as never), 'UNAUTHORIZED')
      // Nothing else is judged before: neither the body nor the key nor whether it exists.
      const body = '{'
      expectError(await stack.api.send('POST', '/v1/reservations/hold', { body }), 'UNAUTHORIZED')
      expectError(await stack.api.send('GET', `/v1/reservations/${randomUUID()}`), 'UNAUTHORIZED')
    })

    test('FORBIDDEN: the catalogue is changed by operators only', async () => {
      const { id } = await anExperience(stack)
      const slot = await aTimeSlot(stack, id)
      const params = { id }
      const body = {}
      const calls = [
        stack.api.call(catalog.createExperience, { as: guest, body }),
        stack.api.call(catalog.updateExperience, { as: guest, params, body }),
        stack.api.call(catalog.createTimeSlot, { as: guest, params, body }),
        stack.api.call(catalog.updateTimeSlot, { as: guest, params: { id: slot.id }, body }),
      ]
      for (const answer of await Promise.all(calls)) expectError(answer, 'FORBIDDEN')
    })

    test('CAPACITY_IN_USE: fewer seats than are held', async () => {
      const offer = await anOffer(stack)
      await aHold(stack, guest, offer, { numberOfGuests: 3 })
      const patch = (capacity: number) =>
        stack.api.call(catalog.updateTimeSlot, { as: operator, params: { id: offer.timeSlotId }, body: { capacity } })
      expectError(await patch(2), 'CAPACITY_IN_USE')
      expect(await patch(3)).toMatchObject({ status: 200, body: { timeSlot: { capacity: 3, available: 0 } } })
    })

    test('RATE_LIMITED: one user too often; another one is still served', async () => {
      const { processes } = stack.running.stack
      const strict = apiAt(String(processes.find(({ name }) => name === 'gateway-2')?.url), (user) => stack.token(user))
      for (const remaining of ['2', '1', '0']) {
        const { status, headers } = await strict.call(reservations.listReservations, { as: guest })
        expect({ status, remaining: headers.get('ratelimit-remaining') }).toEqual({ status: 200, remaining })
      }
      expectError(await strict.call(reservations.listReservations, { as: guest }), 'RATE_LIMITED')
      expect((await strict.call(reservations.listReservations, { as: aUser() })).status).toBe(200)
      for (const path of ['/docs', '/openapi.json']) expectError(await strict.send('GET', path), 'NOT_FOUND')
    })

    test('SERVICE_UNAVAILABLE: Stripe is away; nothing half done is visible, and the same key may be tried again', async () => {
      const { id } = await aHold(stack, guest)
      await stack.emulator.fault({ operation: 'payment_intents.create', times: 4, fault: 'reset_before_effect' })
      expectError(await convert(id, {}, 'again-convert'), 'SERVICE_UNAVAILABLE')
      await stack.emulator.reset()
      const answer = await eventually('Stripe is asked again', async () => {
        const again = await convert(id, {}, 'again-convert')
        return again.status !== 503 && again
      })
      expect(answer).toMatchObject({ status: 200, body: { reservation: { id, status: 'pending' } } })
    })

    test('500: the literal body, and nothing of what went wrong', async () => {
      await stack.rows(
        'reservation',
        `create function break_down() returns trigger language plpgsql as
         $$ begin raise exception 'secret of the database'; end $$`,
      )
      await stack.rows(
        'reservation',
        `create trigger break_down before insert on reservation for each row
         when (new.guest_name = 'Bug') execute function break_down()`,
      )
      const { status, body, headers } = await hold(holdBody(await anOffer(stack), { guestName: 'Bug' }))
      expect({ status, body }).toEqual({
        status: 500,
        body: {
          error: 'Internal server error',
          message: 'An unexpected error occurred',
          requestId: headers.get('x-request-id'),
        },
      })
    })
  })
}

const decoded = (part: string): object => JSON.parse(Buffer.from(part, 'base64url').toString())
