import { randomUUID } from 'node:crypto'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { expectError, expectInvalid } from '../support/errors.ts'
import { aHold, anExperience, aTimeSlot, aUser, readSlot } from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'

const long = (length: number) => 'x'.repeat(length)

/** The same for everything that is not a hold: other bodies, paths and queries. */
export function badValues(stack: TestStack): void {
  let guest: string
  beforeEach(() => {
    guest = aUser()
  })

  describe('other bodies', () => {
    test.each([
      ['convert', {}, ['body.holdId']],
      ['convert', { holdId: 'x' }, ['body.holdId']],
      ['convert', { holdId: randomUUID(), paymentMethodId: 1 }, ['body.paymentMethodId']],
      ['convert', { holdId: randomUUID(), paymentMethodId: '' }, ['body.paymentMethodId']],
      ['convert', { holdId: randomUUID(), savePaymentMethod: 'yes' }, ['body.savePaymentMethod']],
      ['confirm', {}, ['body.paymentIntentId', 'body.reservationId']],
      ['confirm', { reservationId: 1, paymentIntentId: 'pi' }, ['body.reservationId']],
      ['confirm', { reservationId: randomUUID(), paymentIntentId: long(256) }, ['body.paymentIntentId']],
      ['confirm', { reservationId: randomUUID(), paymentIntentId: 'pi\0' }, ['body.paymentIntentId']],
      ['method', {}, ['body.paymentMethodId']],
      ['method', { paymentMethodId: {} }, ['body.paymentMethodId']],
      ['method', { paymentMethodId: 'pm_x', nickname: long(101) }, ['body.nickname']],
      ['method', { paymentMethodId: 'pm_x', nickname: '\ud800' }, ['body.nickname']],
    ] as const)('%s %j', async (name, body, faults) => {
      const routes = {
        convert: reservations.convertHold,
        confirm: reservations.confirmReservation,
        method: payments.addPaymentMethod,
      }
      expectInvalid(await stack.api.call(routes[name], { as: guest, body }), ...faults)
    })

    const valid = { title: 'x', timeZone: 'UTC', pricePerGuest: 1 }
    test.each([
      [{}, ['body.pricePerGuest', 'body.timeZone', 'body.title']],
      [{ ...valid, title: long(201) }, ['body.title']],
      [{ ...valid, title: ' ' }, ['body.title']],
      [{ ...valid, description: long(10_001) }, ['body.description']],
      [{ ...valid, description: 'a\0' }, ['body.description']],
      [{ ...valid, timeZone: 'Mars/Olympus' }, ['body.timeZone']],
      [{ ...valid, currency: 'USD' }, ['body.currency']],
      [{ ...valid, currency: 'dollars' }, ['body.currency']],
      [{ ...valid, pricePerGuest: -1 }, ['body.pricePerGuest']],
      [{ ...valid, pricePerGuest: 0.5 }, ['body.pricePerGuest']],
      [{ ...valid, pricePerGuest: 100_000_000 }, ['body.pricePerGuest']],
      [{ ...valid, holdSeconds: 0 }, ['body.holdSeconds']],
      [{ ...valid, holdSeconds: 86_401 }, ['body.holdSeconds']],
      [{ ...valid, maxGuests: 0 }, ['body.maxGuests']],
      [
        { ...valid, discounts: [{ type: 'a', kind: 'group', minGuests: 1, percent: 101 }] },
        ['body.discounts.0.percent'],
      ],
      [{ ...valid, discounts: [{ type: 'a', kind: 'early_bird', percent: 1 }] }, ['body.discounts.0.minLeadDays']],
      [{ ...valid, discounts: [{ type: 'a', kind: 'lucky', percent: 1 }] }, ['body.discounts.0.kind']],
    ])('an experience like %j', async (body, faults) => {
      expectInvalid(await stack.api.call(catalog.createExperience, { as: operator, body }), ...faults)
    })

    const slot = { startsAt: '2099-01-01T10:00:00Z', endsAt: '2099-01-01T11:00:00Z', capacity: 1 }
    test.each([
      [{}, ['body.capacity', 'body.endsAt', 'body.startsAt']],
      [{ ...slot, startsAt: '2020-01-01T10:00:00Z' }, ['body.startsAt']],
      [{ ...slot, endsAt: slot.startsAt }, ['body.endsAt']],
      [{ ...slot, endsAt: '2099-01-01T10:30:00+02:00' }, ['body.endsAt']],
      [{ ...slot, startsAt: '2099-01-01' }, ['body.startsAt']],
      [{ ...slot, startsAt: '2099-01-01T10:00:00' }, ['body.startsAt']],
      [{ ...slot, startsAt: '2099-02-30T10:00:00Z' }, ['body.startsAt']],
      [{ ...slot, startsAt: 'tomorrow' }, ['body.startsAt']],
      [{ ...slot, startsAt: 4_070_944_800_000 }, ['body.startsAt']],
      [{ ...slot, startsAt: '+010000-01-01T00:00:00Z' }, ['body.startsAt']],
      [{ ...slot, endsAt: '9999-12-31T23:59:59-12:00' }, ['body.endsAt']],
      [{ ...slot, capacity: 0 }, ['body.capacity']],
      [{ ...slot, capacity: 1_000_001 }, ['body.capacity']],
      [{ ...slot, capacity: '5' }, ['body.capacity']],
      [{ ...slot, pricePerGuest: -1 }, ['body.pricePerGuest']],
    ])('a time slot like %j', async (body, faults) => {
      const { id } = await anExperience(stack)
      expectInvalid(await stack.api.call(catalog.createTimeSlot, { as: operator, params: { id }, body }), ...faults)
    })

    test.each([
      {},
      { currency: 'eur' },
      { timeZone: 'UTC' },
      { status: 'gone' },
      { title: null },
      { id: randomUUID() },
    ])('an experience is not patched by %j', async (body) => {
      const before = await anExperience(stack)
      const params = { id: before.id }
      const answer = await stack.api.call(catalog.updateExperience, { as: operator, params, body })
      expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
      expect((await stack.api.ok(catalog.getExperience, { as: guest, params })).experience).toEqual(before)
    })

    test.each([{}, { startsAt: slot.startsAt }, { status: 'full' }, { capacity: -1 }, { held: 0 }, { capacity: null }])(
      'a time slot is not patched by %j',
      async (body) => {
        const { id } = await anExperience(stack)
        const before = await aTimeSlot(stack, id)
        const params = { id: before.id }
        const answer = await stack.api.call(catalog.updateTimeSlot, { as: operator, params, body })
        expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
        expect(await readSlot(stack, before.id)).toEqual(before)
      },
    )
  })

  describe('paths and queries', () => {
    test.each([
      ...['limit=0', 'limit=101', 'limit=-1', 'limit=1.5', 'limit=x', 'limit=', 'limit=1e9', 'limit=1&limit=2'],
      ...['offset=-1', 'offset=1.5', 'offset=x', 'offset=99999999999', 'offset=0&offset=1'],
    ])('a page of %s', async (query) => {
      const [name = ''] = query.split('=')
      const { id } = await anExperience(stack)
      for (const path of ['/v1/reservations', '/v1/experiences', `/v1/experiences/${id}/time-slots`])
        expectInvalid(await stack.api.send('GET', `${path}?${query}`, { as: guest }), `querystring.${name}`)
    })

    test.each([
      '',
      'paid',
      'Confirmed',
      'held,',
      ',',
      'held;pending',
      'held&status=held',
      '%00',
      "held'--",
      'a'.repeat(500),
    ])('the status %j', async (status) => {
      const answer = await stack.api.send('GET', `/v1/reservations?status=${status}`, { as: guest })
      expectError(answer, 'VALIDATION_ERROR', expect.any(Array))
      const { details } = answer.body as { details: { path: string }[] }
      expect(details.every(({ path }) => path.startsWith('querystring.status'))).toBe(true)
    })

    test.each([
      ...['from=yesterday', 'to=2099-02-30T00:00:00Z', 'from=2099-01-01', 'guests=0', 'guests=-1', 'guests=x'],
      ...['guests=1.5', 'guests=99999', 'guests=1&guests=2', 'from=0000-01-01T00:00:00Z', 'from=%00'],
      'to=9999-12-31T23:59:59-12:00',
    ])('availability with %s', async (query) => {
      const [name = ''] = query.split('=')
      const { id } = await anExperience(stack)
      const answer = await stack.api.send('GET', `/v1/experiences/${id}/time-slots?${query}`, { as: guest })
      // A year that the database does not know finds nothing, or is refused.
      if (answer.status === 200) expect(answer.body).toMatchObject({ timeSlots: [] })
      else expectInvalid(answer, `querystring.${name}`)
    })

    test.each([
      'x',
      '1',
      'null',
      'undefined',
      "' or ''='",
      '%00',
      '%F0%9F%9A%A2',
      long(290),
      '00000000-0000-0000-0000',
    ])('the id %j', async (id) => {
      const paths = [
        `/v1/reservations/${id}`,
        `/v1/reservations/${id}/payment-status`,
        `/v1/reservations/${id}/timeline`,
      ]
      for (const path of [...paths, `/v1/experiences/${id}`, `/v1/time-slots/${id}`])
        expectInvalid(await stack.api.send('GET', path, { as: guest }), 'params.id')
      expectInvalid(await stack.api.send('DELETE', `/v1/reservations/hold/${id}`, { as: guest }), 'params.id')
    })

    test.each([
      '/v1/reservations/%',
      '/v1/reservations/%zz',
      '/v1/payments/methods/%C0%AF',
      `/v1/time-slots/${long(9_000)}`,
    ])('the path %s is answered, too', async (path) => {
      const { status, body, headers } = await stack.api.send('GET', path, { as: guest })
      expect([400, 404]).toContain(status)
      expect(body).toMatchObject({ error: expect.any(String), requestId: headers.get('x-request-id') })
    })

    test('an id in capitals is the same id', async () => {
      const { id } = await aHold(stack, guest)
      const answer = await stack.api.send('GET', `/v1/reservations/${id.toUpperCase()}`, { as: guest })
      expect(answer).toMatchObject({ status: 200, body: { reservation: { id } } })
    })
  })
}
