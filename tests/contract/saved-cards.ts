import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { expectError } from '../support/errors.ts'
import { aHold, aUser, untilStatus } from '../support/situation.ts'
import type { TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

export function savedCards(stack: TestStack): void {
  let guest: string
  beforeEach(() => {
    guest = aUser()
  })
  const add = async (number: string, more: Record<string, unknown> = {}, as = guest) => {
    const paymentMethodId = await stack.stripeJs.createPaymentMethod(number)
    return (await stack.api.ok(payments.addPaymentMethod, { as, body: { paymentMethodId, ...more } })).data
  }
  const list = async () => (await stack.api.ok(payments.listPaymentMethods, { as: guest })).data
  const remove = (id: string) => stack.api.call(payments.deletePaymentMethod, { as: guest, params: { id } })
  const makeDefault = (id: string) => stack.api.call(payments.setDefaultPaymentMethod, { as: guest, params: { id } })
  const defaults = async () => (await list()).filter(({ isDefault }) => isDefault).map(({ id }) => id)
  const convertWith = async (paymentMethodId: string) => {
    const { id: holdId } = await aHold(stack, guest)
    return stack.api.call(reservations.convertHold, { as: guest, body: { holdId, paymentMethodId } })
  }

  describe('saved cards', () => {
    test('are none at first', async () => {
      expect(await stack.api.ok(payments.listPaymentMethods, { as: guest })).toEqual({ success: true, data: [] })
    })

    test('are shown as documented; the first is the default', async () => {
      const first = await add(cards.success, { nickname: 'Personal Card' })
      expect(first).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        type: 'card',
        last4: '4242',
        brand: 'Visa',
        expMonth: '12',
        expYear: '2030',
        isDefault: true,
        nickname: 'Personal Card',
        createdAt: expect.stringMatching(/^\d{4}-.+\.\d{3}Z$/),
      })
      expect(await list()).toEqual([first])
      const second = await add(cards.threeDSecure)
      expect(second).toMatchObject({ last4: '3155', isDefault: false, nickname: null })
      expect(await list()).toEqual([first, second])
    })

    test('have the display name of their brand, a month of two digits and a year of four', async () => {
      const { id } = await stack.emulator.stripe.paymentMethods.create({
        type: 'card',
        card: { number: '5555555555554444', exp_month: 3, exp_year: 2031, cvc: '123' },
      })
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId: id } })
      expect(data).toMatchObject({ brand: 'Mastercard', last4: '4444', expMonth: '03', expYear: '2031' })
    })

    test('the same card twice is one row, with the nickname it was given last', async () => {
      const first = await add(cards.success, { nickname: 'Old' })
      const again = await add(cards.success, { nickname: 'New' })
      expect(again).toEqual({ ...first, nickname: 'New' })
      expect(await add(cards.success)).toMatchObject({ id: first.id })
      expect(await list()).toHaveLength(1)
      expect((await convertWith(first.id)).status).toBe(200)
    })

    test('the very same payment method twice, too', async () => {
      const paymentMethodId = await stack.stripeJs.createPaymentMethod(cards.success)
      const call = () => stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })
      expect(await call()).toEqual(await call())
      expect(await list()).toHaveLength(1)
    })

    test('added at the same time are all there, and one of them is the default', async () => {
      await Promise.all(
        [cards.success, cards.threeDSecure, cards.declinesWhenCharged, cards.success].map((n) => add(n)),
      )
      expect(await list()).toHaveLength(3)
      expect(await defaults()).toHaveLength(1)
    })

    test('the default is moved, and there is always exactly one', async () => {
      const first = await add(cards.success)
      const second = await add(cards.threeDSecure)
      const answer = await makeDefault(second.id)
      expect({ status: answer.status, body: answer.body }).toEqual({
        status: 200,
        body: { success: true, message: 'Default payment method updated successfully' },
      })
      expect(await defaults()).toEqual([second.id])
      expect((await list()).map(({ id }) => id)).toEqual([second.id, first.id])
      expect((await makeDefault(second.id)).status).toBe(200)
      const both = [first.id, second.id, first.id, second.id, first.id]
      const answers = await Promise.all(both.map(makeDefault))
      expect(answers.map(({ status }) => status)).toEqual(both.map(() => 200))
      expect(await defaults()).toHaveLength(1)
    })

    test('removed, the default is promoted from the newest; the second time it is not there', async () => {
      const first = await add(cards.success)
      const second = await add(cards.threeDSecure)
      const third = await add(cards.declinesWhenCharged)
      const answer = await remove(first.id)
      expect({ status: answer.status, body: answer.body }).toEqual({
        status: 200,
        body: { success: true, message: 'Payment method removed successfully' },
      })
      expectError(await remove(first.id), 'PAYMENT_METHOD_NOT_FOUND')
      expectError(await makeDefault(first.id), 'PAYMENT_METHOD_NOT_FOUND')
      expectError(await convertWith(first.id), 'PAYMENT_METHOD_NOT_FOUND')
      expect(await defaults()).toEqual([third.id])
      await remove(second.id)
      expect(await defaults()).toEqual([third.id])
      await remove(third.id)
      expect(await list()).toEqual([])
      expect(await add(cards.success)).toMatchObject({ isDefault: true })
    })

    test('removed here are detached at Stripe, too', async () => {
      const paymentMethodId = await stack.stripeJs.createPaymentMethod(cards.success)
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId } })
      const customerOf = async () => (await stack.emulator.stripe.paymentMethods.retrieve(paymentMethodId)).customer
      expect(await customerOf()).toEqual(expect.stringMatching(/^cus_/))
      await remove(data.id)
      await eventually('it is detached', async () => (await customerOf()) === null)
    })

    test('removed once by five requests at the same time', async () => {
      const { id } = await add(cards.success)
      const answers = await Promise.all(Array.from({ length: 5 }, () => remove(id)))
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404])
    })

    test('are not kept by a payment that was not to keep them', async () => {
      const { id: holdId } = await aHold(stack, guest)
      const { paymentClientSecret } = await stack.api.ok(reservations.convertHold, { as: guest, body: { holdId } })
      await stack.stripeJs.confirmCardPayment(String(paymentClientSecret), cards.success)
      await untilStatus(stack, guest, holdId, 'confirmed')
      expect(await list()).toEqual([])
    })

    test('a saved card with savePaymentMethod is not saved a second time', async () => {
      const card = await add(cards.success)
      const { id: holdId } = await aHold(stack, guest)
      const body = { holdId, paymentMethodId: card.id, savePaymentMethod: true }
      await stack.api.ok(reservations.convertHold, { as: guest, body })
      await untilStatus(stack, guest, holdId, 'confirmed')
      expect(await list()).toEqual([card])
    })

    test('a wish to save is taken back by converting again without it', async () => {
      const { id: holdId } = await aHold(stack, guest)
      const convert = (savePaymentMethod: boolean) =>
        stack.api.ok(reservations.convertHold, { as: guest, body: { holdId, savePaymentMethod } })
      const first = await convert(true)
      const usage = async () => {
        const id = String(first.reservation.paymentIntentId)
        return (await stack.emulator.stripe.paymentIntents.retrieve(id)).setup_future_usage
      }
      expect(await usage()).toBe('on_session')
      expect((await convert(false)).reservation).toEqual(first.reservation)
      expect(await usage()).toBeNull()
    })
  })
}
