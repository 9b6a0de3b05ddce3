import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { eventually } from '@holdfast/testing/facts'
import { afterEach, describe, expect, test } from '@jest/globals'
import { apiAt } from '../support/api.ts'
import { aHold, anOffer, aUser, holdBody, untilStatus } from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'
import { urlOf } from './surroundings.ts'

/**
 * What must not be in any log of the whole stack, at its loudest level: not in the services', and not in Postgres' or
 * RabbitMQ's. It comes last, so that the logs hold all that the other tests have done as well.
 */
export function logs(stack: TestStack): void {
  /** Nobody else in the tests is called this. */
  const person = {
    guestName: 'Wilhelmina Quetzalcoatl',
    guestEmail: 'wilhelmina.q@quetzal.example',
    guestPhone: '+999 555 0199 7731',
    specialRequests: 'peanut allergy of the birthday child Zebulon',
  }
  const nickname = 'grandmothers platinum'
  const guest = aUser()
  const clientSecrets: string[] = []
  afterEach(() => stack.emulator.reset())

  async function pending(more: Record<string, unknown> = {}) {
    const { id: holdId } = await aHold(stack, guest, await anOffer(stack), person)
    const body = { holdId, ...more }
    const answer = await stack.api.ok(reservations.convertHold, { as: guest, body })
    if (answer.paymentClientSecret) clientSecrets.push(answer.paymentClientSecret)
    return { ...answer.reservation, clientSecret: answer.paymentClientSecret ?? '' }
  }

  describe('every kind of booking is made', () => {
    test('paid at once, after a decline, after 3D Secure', async () => {
      for (const card of [cards.success, cards.threeDSecure]) {
        const { id, clientSecret, paymentIntentId } = await pending()
        await stack.stripeJs.confirmCardPayment(clientSecret, cards.declined)
        await stack.stripeJs.confirmCardPayment(clientSecret, card)
        if (card === cards.threeDSecure) await stack.stripeJs.authenticate(String(paymentIntentId), 'succeed')
        await untilStatus(stack, guest, id, 'confirmed')
        const body = { reservationId: id, paymentIntentId }
        await stack.api.ok(reservations.confirmReservation, { as: guest, body })
      }
    })

    test('with a saved card, good and declining, that is named and removed', async () => {
      for (const card of [cards.success, cards.declinesWhenCharged]) {
        const paymentMethodId = await stack.stripeJs.createPaymentMethod(card)
        const added = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: { paymentMethodId, nickname } })
        const { id: holdId } = await aHold(stack, guest, await anOffer(stack), person)
        const body = { holdId, paymentMethodId: added.data.id }
        await stack.api.call(reservations.convertHold, { as: guest, body })
        await stack.api.ok(payments.setDefaultPaymentMethod, { as: guest, params: { id: added.data.id } })
        await stack.api.ok(payments.deletePaymentMethod, { as: guest, params: { id: added.data.id } })
      }
      await pending({ savePaymentMethod: true })
    })

    test('refused in every way: by its values, its key, its bytes, its token', async () => {
      const offer = await anOffer(stack, { slot: { capacity: 1 } })
      const body = holdBody(offer, person)
      await stack.api.fails(reservations.createHold, { as: guest, body })
      await stack.api.fails(reservations.createHold, { as: guest, body: { ...body, numberOfGuests: 0 } })
      await stack.api.fails(reservations.createHold, { as: guest, body: JSON.stringify(body).slice(0, -1) })
      await stack.api.fails(reservations.createHold, { body })
      const authorization = `Bearer ${(await stack.token(guest)).slice(0, -4)}AAAA`
      await stack.api.fails(reservations.createHold, { body, headers: { authorization } })
      const direct = apiAt(urlOf(stack, 'reservation'), stack.token)
      await direct.fails(reservations.createHold, { as: guest, body: { ...body, guestEmail: person.guestName } })
    })

    test('given up, and with a webhook that is not signed', async () => {
      const { id } = await pending()
      await stack.api.ok(reservations.releaseHold, { as: guest, params: { id } })
      const headers = { 'stripe-signature': 't=1,v1=00', 'content-type': 'application/json' }
      const text = JSON.stringify({ id: 'evt_x', data: { object: { client_secret: 'pi_x_secret_y', ...person } } })
      const { status } = await stack.api.send('POST', '/v1/webhooks/stripe', { body: text, headers })
      expect(status).toBe(400)
    })

    test('while Stripe fails, and hangs, and while a service is away', async () => {
      const { id: holdId } = await aHold(stack, guest, await anOffer(stack), person)
      const body = { holdId }
      for (const fault of ['error_500', 'reset_after_effect']) {
        await stack.emulator.fault({ operation: 'payment_intents.create', times: 2, fault })
        await stack.api.call(reservations.convertHold, { as: guest, body })
      }
      await stack.emulator.reset()
      await stack.running.down('payment')
      await stack.api.call(payments.listPaymentMethods, { as: guest })
      await stack.running.up('payment')
      await eventually('it is served again', async () => {
        const { status } = await stack.api.call(reservations.convertHold, { as: guest, body })
        return status === 200
      })
    })

    test('against a database that refuses the row, and says which', async () => {
      const { id: holdId } = await aHold(stack, guest, await anOffer(stack), person)
      const refuse = `alter table reservation add constraint refused check (guest_name <> '${person.guestName}') not valid`
      await stack.rows('reservation', refuse)
      try {
        const body = holdBody(await anOffer(stack), person)
        await stack.api.fails(reservations.createHold, { as: guest, body })
        const { status } = await stack.api.fails(reservations.convertHold, { as: guest, body: { holdId } })
        expect(status).toBe(500)
      } finally {
        await stack.rows('reservation', 'alter table reservation drop constraint refused')
      }
    })
  })

  test('and nothing secret stands in any log: no token, key, password or card, and nobody’s name', async () => {
    const { stack: file } = stack.running
    const passwordOf = (url: string) => decodeURIComponent(new URL(url).password)
    const issued = await Promise.all([guest, operator].map((user) => stack.token(user)))
    const secrets: Record<string, string[]> = {
      token: issued.flatMap((token) => [token, token.split('.')[2] ?? '']),
      'client secret': clientSecrets.flatMap((secret) => [secret, secret.split('_secret_')[1] ?? '']),
      'key of Stripe': [file.stripeSecretKey, file.stripeWebhookSecret],
      password: [...Object.values(file.databases), file.rabbitmqUrl].map(passwordOf),
      card: Object.values(cards),
      guest: [...Object.values(person), nickname, 'wilhelmina'],
    }
    for (const [what, values] of Object.entries(secrets))
      for (const value of values) if (value.length < 6) throw new Error(`${what} is too short to be looked for`)
    const found: string[] = []
    const folder = dirname(file.processes[0]?.log ?? '')
    const names = readdirSync(folder)
    expect(names).toEqual(expect.arrayContaining(['gateway.log', 'payment.log', 'postgres.log', 'rabbitmq.log']))
    for (const name of names) {
      const text = readFileSync(join(folder, name), 'utf8').toLowerCase()
      for (const [what, values] of Object.entries(secrets))
        for (const value of values) {
          const at = text.indexOf(value.toLowerCase())
          if (at >= 0) found.push(`${name} has a ${what}: ${text.slice(Math.max(0, at - 300), at)}…`)
        }
    }
    expect(found).toEqual([])
    expect(clientSecrets.length).toBeGreaterThanOrEqual(4)
  })
}
