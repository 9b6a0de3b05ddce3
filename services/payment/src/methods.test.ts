import { randomUUID } from 'node:crypto'
import { statement } from '@holdfast/db/database'
import { eventually } from '@holdfast/testing/facts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type PaymentStack, startPaymentStack } from './payment.fixture.ts'
import { cards } from './stripe.fixture.ts'

let stack: PaymentStack
let user: string

beforeAll(async () => {
  stack = await startPaymentStack()
})
beforeEach(async () => {
  user = `guest-${randomUUID()}`
  await stack.stripe.reset()
})
afterAll(() => stack.stop())

const methods = '/v1/payments/methods'
const list = async (who = user) => (await stack.call('GET', methods, who)).body.data
const addMethod = (paymentMethodId: string, more: object = {}, headers = {}) =>
  stack.call('POST', methods, user, { paymentMethodId, ...more }, headers)
const add = async (number: string, more: object = {}) => addMethod(await stack.stripe.cardOf(number), more)
const notFound = { status: 404, body: { error: 'PAYMENT_METHOD_NOT_FOUND' } }

describe('adding a card', () => {
  test('answers as the flow document shows it; the first is the default', async () => {
    const { status, body } = await add(cards.ok, { nickname: 'Work Card' })
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      data: {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        type: 'card',
        last4: '4242',
        brand: 'Visa',
        expMonth: '12',
        expYear: expect.stringMatching(/^20\d\d$/),
        isDefault: true,
        nickname: 'Work Card',
        createdAt: expect.stringMatching(/Z$/),
      },
    })
    expect((await add(cards.mastercard)).body.data).toMatchObject({
      isDefault: false,
      brand: 'Mastercard',
      nickname: null,
    })
  })

  test('makes one customer at Stripe, however many cards come at once', async () => {
    const added = await Promise.all([add(cards.ok), add(cards.mastercard), add(cards.amex)])
    expect(added.map(({ status }) => status)).toEqual([200, 200, 200])
    const keys = (await stack.stripe.requests('customers.create')).map(
      (request: { idempotencyKey: string }) => request.idempotencyKey,
    )
    expect(new Set(keys).size).toBe(1)
    expect((await list()).filter((card: { isDefault: boolean }) => card.isDefault)).toHaveLength(1)
  })

  test('twice is one card with the new nickname', async () => {
    const first = await add(cards.ok, { nickname: 'Old' })
    const second = await add(cards.ok, { nickname: 'New' })
    expect(second.body.data).toEqual({ ...first.body.data, nickname: 'New' })
    expect(await list()).toHaveLength(1)
  })

  test('that the bank has renewed is the same card, and charged as the new one', async () => {
    const first = await add(cards.ok, { nickname: 'Mine' })
    const [year, month] = [Number(first.body.data.expYear) + 3, Number(first.body.data.expMonth) - 1]
    const card = { number: cards.ok, exp_month: month, exp_year: year, cvc: '123' }
    const { id: renewed } = await stack.stripe.client.paymentMethods.create({ type: 'card', card })
    const expiry = { expMonth: String(month), expYear: String(year) }
    expect((await addMethod(renewed)).body.data).toEqual({ ...first.body.data, ...expiry })
    // What the guest adds once more of the old card changes nothing.
    expect((await add(cards.ok)).body.data).toMatchObject(expiry)
    expect(await list()).toHaveLength(1)

    const { id: paymentMethodId } = first.body.data
    const { paymentIntentId } = await stack.opened({ userId: await stack.userIdOf(user), paymentMethodId })
    const intent = await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)
    expect(intent).toMatchObject({ status: 'succeeded', payment_method: renewed })
    const customer = String(intent.customer)
    await eventually('the old one is detached', async () => {
      const { data } = await stack.stripe.client.customers.listPaymentMethods(customer)
      return data.length === 1 && data[0]?.id === renewed
    })
  })

  test.each([
    ['insufficient_funds', cards.insufficientFunds],
    ['expired_card', cards.expired],
  ])('that is declined (%s) says why and keeps nothing', async (declineCode, card) => {
    const { status, body } = await add(card)
    expect({ status, ...body }).toMatchObject({ status: 400, error: 'PAYMENT_CARD_DECLINED', details: { declineCode } })
    expect(await list()).toEqual([])
  })

  test('that is not there, or is saved by somebody else, is not found', async () => {
    expect(await addMethod('pm_1Nothing')).toMatchObject(notFound)
    const theirs = await stack.stripe.cardOf(cards.ok)
    await stack.call('POST', methods, 'someone-else', { paymentMethodId: theirs })
    expect(await addMethod(theirs)).toMatchObject(notFound)
    await stack.stripe.reset()
    expect(await addMethod(randomUUID())).toMatchObject(notFound)
    expect(await stack.stripe.requests('payment_methods.retrieve')).toEqual([])
  })

  test('with the same idempotency key is done once', async () => {
    const paymentMethodId = await stack.stripe.cardOf(cards.ok)
    const headers = { 'x-idempotency-key': randomUUID() }
    const first = await addMethod(paymentMethodId, {}, headers)
    const second = await addMethod(paymentMethodId, {}, headers)
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.body).toEqual(first.body)
    expect(await stack.stripe.requests('payment_methods.attach')).toHaveLength(1)
  })

  test('attaches it once, although the answer was lost', async () => {
    await stack.stripe.fault('payment_methods.attach', 'reset_after_effect', 1)
    expect((await add(cards.ok)).status).toBe(200)
    expect(await list()).toHaveLength(1)
  })

  test('while Stripe is away is unavailable, and the same request may be repeated', async () => {
    const paymentMethodId = await stack.stripe.cardOf(cards.ok)
    await stack.stripe.fault('payment_methods.attach', 'error_500', 1)
    const first = await addMethod(paymentMethodId)
    expect(first).toMatchObject({ status: 503, body: { error: 'SERVICE_UNAVAILABLE' } })
    expect(first.headers.get('retry-after')).not.toBeNull()
    expect((await addMethod(paymentMethodId)).status).toBe(200)
  })
})

describe('saved cards', () => {
  test('are listed with the default first, then the newest, to their owner alone', async () => {
    for (const number of [cards.ok, cards.mastercard, cards.amex]) await add(number)
    const brands = async (who = user) => (await list(who)).map((card: { brand: string }) => card.brand)
    expect(await brands()).toEqual(['Visa', 'American Express', 'Mastercard'])
    expect(await brands('a-stranger')).toEqual([])
  })

  test('have exactly one default, also when it is removed', async () => {
    const [visa, mastercard, amex] = await addedIn([cards.ok, cards.mastercard, cards.amex])
    const put = await stack.call('PUT', `${methods}/${mastercard}/default`, user)
    expect(put).toMatchObject({
      status: 200,
      body: { success: true, message: 'Default payment method updated successfully' },
    })
    expect(await defaults()).toEqual([mastercard])
    const removed = await stack.call('DELETE', `${methods}/${mastercard}`, user)
    expect(removed).toMatchObject({
      status: 200,
      body: { success: true, message: 'Payment method removed successfully' },
    })
    expect(await defaults()).toEqual([amex])
    await stack.call('DELETE', `${methods}/${visa}`, user)
    expect(await defaults()).toEqual([amex])
  })

  test('keep exactly one default when several are chosen at once', async () => {
    const ids = await addedIn([cards.ok, cards.mastercard, cards.amex])
    await Promise.all([...ids, ...ids].map((id) => stack.call('PUT', `${methods}/${id}/default`, user)))
    expect(await defaults()).toHaveLength(1)
  })

  test('that are removed are detached at Stripe, and cannot be removed twice', async () => {
    const stripeCard = await stack.stripe.cardOf(cards.ok)
    const { id } = (await addMethod(stripeCard)).body.data
    expect((await stack.call('DELETE', `${methods}/${id}`, user)).status).toBe(200)
    expect(await stack.call('DELETE', `${methods}/${id}`, user)).toMatchObject(notFound)
    await eventually(
      'it is detached',
      async () => (await stack.stripe.client.paymentMethods.retrieve(stripeCard)).customer === null,
    )
    expect(await addMethod(stripeCard)).not.toMatchObject({ status: 200 })
  })

  test("of somebody else are not found, and Stripe isn't asked", async () => {
    const [id] = await addedIn([cards.ok])
    await stack.stripe.reset()
    for (const wrong of [id, randomUUID(), 'pm_card_visa', 'x'])
      for (const [method, path] of [
        ['DELETE', ''],
        ['PUT', '/default'],
      ] as const)
        expect(await stack.call(method, `${methods}/${wrong}${path}`, 'mallory')).toMatchObject(notFound)
    expect(await stack.stripe.requests('payment_methods.detach')).toEqual([])
    expect(await list()).toHaveLength(1)
  })
})

async function addedIn(numbers: string[]): Promise<string[]> {
  const ids: string[] = []
  for (const number of numbers) ids.push((await add(number)).body.data.id)
  return ids
}

async function defaults(): Promise<string[]> {
  return (await list()).filter((card: { isDefault: boolean }) => card.isDefault).map((card: { id: string }) => card.id)
}

describe('a customer that somebody deletes in the dashboard', () => {
  test('takes its cards along, and the guest may begin anew', async () => {
    await add(cards.ok)
    const customer = String((await stack.stripe.client.customers.list({ limit: 1 })).data[0]?.id)
    await stack.stripe.client.customers.del(customer)
    await eventually('the card is gone', async () => (await list()).length === 0)
    expect(await add(cards.mastercard)).toMatchObject({ status: 200, body: { data: { isDefault: true } } })
    const [newest] = (await stack.stripe.client.customers.list({ limit: 1 })).data
    expect(newest?.id).not.toBe(customer)
  })

  test('with an intent that is open: the next attempt gets another, of the customer that was made anew', async () => {
    const about = { reservationId: randomUUID(), userId: await stack.userIdOf(user), savePaymentMethod: true }
    const { paymentIntentId } = await stack.opened(about)
    const customerOf = async (id: string) => String((await stack.stripe.client.paymentIntents.retrieve(id)).customer)
    const customer = await customerOf(paymentIntentId)
    await stack.stripe.client.customers.del(customer)
    await eventually('it is forgotten', async () => (await stack.database.many(customers, [customer])).length === 0)
    const again = await stack.opened({ ...about, attempt: 2 })
    expect(again.paymentIntentId).not.toBe(paymentIntentId)
    expect(await customerOf(again.paymentIntentId)).not.toBe(customer)
    expect(await stack.stripe.client.paymentIntents.retrieve(paymentIntentId)).toMatchObject({ status: 'canceled' })
  })

  test('unheard of, is forgotten by the next who needs it, who may ask again', async () => {
    await stack.stripe.webhooks({ drop: ['customer.deleted'] })
    const deleteCustomer = async () =>
      stack.stripe.client.customers.del(String((await stack.stripe.client.customers.list({ limit: 1 })).data[0]?.id))
    await add(cards.ok)
    await deleteCustomer()
    expect(await add(cards.mastercard)).toMatchObject({ status: 503 })
    expect(await list()).toEqual([])
    expect(await add(cards.mastercard)).toMatchObject({ status: 200 })

    await deleteCustomer()
    const attempt = { reservationId: randomUUID(), userId: await stack.userIdOf(user), savePaymentMethod: true }
    expect(await stack.open(attempt)).toMatchObject({ outcome: 'unavailable' })
    expect(await stack.open(attempt)).toMatchObject({ outcome: 'open' })
  })
})

const customers = statement<{ id: string }>(
  'test.customers',
  'select user_id as id from customer where stripe_customer_id = $1',
)
