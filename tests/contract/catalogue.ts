import * as catalog from '@holdfast/contracts/routes/catalog'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { describe, expect, test } from '@jest/globals'
import { expectError, expectInvalid } from '../support/errors.ts'
import {
  aConfirmedReservation,
  aHold,
  anExperience,
  anOffer,
  aTimeSlot,
  aUser,
  exampleDiscounts,
  holdBody,
  readReservation,
  readSlot,
  untilSeats,
} from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'

const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
const utc = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const startsAt = '2099-05-01T10:00:00.000Z'
const endsAt = '2099-05-01T12:00:00.000Z'
const summer = { startsAt, endsAt }

export function catalogue(stack: TestStack): void {
  const create = (body: unknown) => stack.api.call(catalog.createExperience, { as: operator, body })
  const patchExperience = (id: string, body: unknown) =>
    stack.api.ok(catalog.updateExperience, { as: operator, params: { id }, body })
  const patchSlot = (id: string, body: unknown) =>
    stack.api.call(catalog.updateTimeSlot, { as: operator, params: { id }, body })
  const priceFor = async (id: string, guests: number) =>
    (await stack.api.ok(catalog.getTimeSlot, { as: aUser(), params: { id }, query: { guests } })).timeSlot.price

  describe('an experience', () => {
    test('with everything given', async () => {
      const body = {
        title: 'Sunset sail',
        description: 'Two hours on the river',
        timeZone: 'Europe/Lisbon',
        currency: 'jpy',
        pricePerGuest: 10_000,
        holdSeconds: 90,
        maxGuests: 6,
        discounts: exampleDiscounts,
      }
      const answer = await create(body)
      expect({ status: answer.status, body: answer.body }).toEqual({
        status: 201,
        body: { experience: { id: uuid, ...body, status: 'active', createdAt: utc, updatedAt: utc } },
      })
    })

    test('with what must be given, and the documented defaults', async () => {
      const body = { title: 'Walk', timeZone: 'UTC', pricePerGuest: 0 }
      expect((await create(body)).body).toEqual({
        experience: {
          ...{ id: uuid, ...body, description: '', currency: 'usd', holdSeconds: 900, maxGuests: null },
          ...{ discounts: [], status: 'active', createdAt: utc, updatedAt: utc },
        },
      })
    })

    test('is read by anybody who is signed in, and listed, newest first', async () => {
      const older = await anExperience(stack, { title: 'Older' })
      const newer = await anExperience(stack, { title: 'Newer' })
      const read = await stack.api.ok(catalog.getExperience, { as: aUser(), params: { id: older.id } })
      expect(read).toEqual({ experience: older })
      const page = await stack.api.ok(catalog.listExperiences, { as: aUser(), query: { limit: 2 } })
      expect(page.experiences).toEqual([newer, older])
      expect(page.pagination).toEqual({
        total: expect.any(Number),
        limit: 2,
        offset: 0,
        hasMore: page.pagination.total > 2,
      })
      const next = await stack.api.ok(catalog.listExperiences, { as: aUser(), query: { limit: 1, offset: 1 } })
      expect(next.experiences).toEqual([older])
    })

    test('is changed in what may be changed, and in nothing else', async () => {
      const before = await anExperience(stack, { maxGuests: 4 })
      const patches = [
        { title: 'Sunrise sail', description: 'Early' },
        { pricePerGuest: 5_000 },
        { holdSeconds: 60, discounts: [{ type: 'early_bird', kind: 'early_bird', minLeadDays: 1, percent: 50 }] },
        { maxGuests: 8 },
        { maxGuests: null },
        { status: 'archived' },
        { status: 'active' },
      ]
      let expected: Record<string, unknown> = { ...before }
      for (const patch of patches) {
        expected = { ...expected, ...patch, updatedAt: utc }
        expect((await patchExperience(before.id, patch)).experience).toEqual(expected)
      }
      const after = (await stack.api.ok(catalog.getExperience, { as: aUser(), params: { id: before.id } })).experience
      expect(after).toEqual(expected)
      expect(Date.parse(after.updatedAt)).toBeGreaterThan(Date.parse(before.updatedAt))
    })

    test('that is archived is no longer listed, and its reservations go on', async () => {
      const guest = aUser()
      const offer = await anOffer(stack)
      const { id } = await aHold(stack, guest, offer)
      await patchExperience(offer.experienceId, { status: 'archived' })
      const { experiences } = await stack.api.ok(catalog.listExperiences, { as: guest, query: { limit: 100 } })
      expect(experiences.map((each) => each.id)).not.toContain(offer.experienceId)
      expect((await stack.api.call(reservations.convertHold, { as: guest, body: { holdId: id } })).status).toBe(200)
    })
  })

  describe('a time slot', () => {
    test('when it is made, read and listed', async () => {
      const experience = await anExperience(stack, { currency: 'eur' })
      const params = { id: experience.id }
      const body = { ...summer, capacity: 7, pricePerGuest: 12_345 }
      const answer = await stack.api.call(catalog.createTimeSlot, { as: operator, params, body })
      const timeSlot = {
        ...{ id: uuid, experienceId: experience.id, ...summer, capacity: 7, held: 0, booked: 0, available: 7 },
        ...{ status: 'open', pricePerGuest: 12_345, currency: 'eur' },
      }
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 201, body: { timeSlot } })
      const made = (answer.body as { timeSlot: { id: string } }).timeSlot
      const read = await stack.api.ok(catalog.getTimeSlot, { as: aUser(), params: { id: made.id } })
      expect(read).toEqual({ timeSlot: made })
      expect(await stack.api.ok(catalog.listTimeSlots, { as: aUser(), params })).toEqual({
        timeSlots: [made],
        pagination: { total: 1, limit: 10, offset: 0, hasMore: false },
      })
    })

    test('costs what its experience does, unless it has a price of its own', async () => {
      const experience = await anExperience(stack, { pricePerGuest: 100 })
      const slot = await aTimeSlot(stack, experience.id)
      expect(slot.pricePerGuest).toBe(100)
      expect((await patchSlot(slot.id, { pricePerGuest: 250 })).body).toEqual({
        timeSlot: { ...slot, pricePerGuest: 250 },
      })
      await patchExperience(experience.id, { pricePerGuest: 300 })
      expect((await readSlot(stack, slot.id)).pricePerGuest).toBe(250)
      expect((await patchSlot(slot.id, { pricePerGuest: null })).body).toMatchObject({
        timeSlot: { pricePerGuest: 300 },
      })
    })

    test('comes with the price for a party, discounts included', async () => {
      const experience = await anExperience(stack, {
        pricePerGuest: 333,
        discounts: [
          { type: 'group_5_plus', kind: 'group', minGuests: 3, percent: 15 },
          { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
        ],
      })
      const early = await aTimeSlot(stack, experience.id, summer)
      const tomorrow = { startsAt: new Date(Date.now() + 86_400_000).toISOString() }
      const late = await aTimeSlot(stack, experience.id, { ...summer, ...tomorrow })
      // 999: 15 % is 149.85, 10 % is 99.9; 666: 10 % is 66.6. Each is rounded half up on its own.
      expect(await priceFor(early.id, 3)).toEqual({
        ...{ originalPrice: 999, discountApplied: 250, totalPrice: 749 },
        appliedDiscounts: {
          groupDiscount: { amount: 150, type: 'group_5_plus' },
          earlyBirdDiscount: { amount: 100, type: 'early_bird' },
          totalDiscount: 250,
        },
      })
      expect(await priceFor(early.id, 2)).toMatchObject({
        totalPrice: 599,
        appliedDiscounts: { groupDiscount: null, earlyBirdDiscount: { amount: 67 }, totalDiscount: 67 },
      })
      expect(await priceFor(late.id, 2)).toEqual({
        ...{ originalPrice: 666, discountApplied: 0, totalPrice: 666 },
        appliedDiscounts: { groupDiscount: null, earlyBirdDiscount: null, totalDiscount: 0 },
      })
      const params = { id: experience.id }
      const query = { guests: 3 }
      const { timeSlots } = await stack.api.ok(catalog.listTimeSlots, { as: aUser(), params, query })
      expect(timeSlots.map(({ id, price }) => [id, price?.totalPrice])).toEqual([
        [late.id, 849],
        [early.id, 749],
      ])
      const hold = await stack.api.ok(reservations.createHold, {
        as: aUser(),
        body: holdBody({ experienceId: experience.id, timeSlotId: early.id }, { numberOfGuests: 3 }),
      })
      expect(hold.reservation).toMatchObject({ originalPrice: 999, discountApplied: 250, totalPrice: 749 })
      expect(hold.appliedDiscounts.totalDiscount).toBe(250)
    })

    test('discounts of more than everything end at the price', async () => {
      const discounts = [
        { type: 'a', kind: 'group', minGuests: 1, percent: 80 },
        { type: 'b', kind: 'early_bird', minLeadDays: 1, percent: 60 },
      ]
      const { timeSlotId } = await anOffer(stack, { experience: { discounts } })
      expect(await priceFor(timeSlotId, 2)).toMatchObject({ discountApplied: 20_000, totalPrice: 0 })
    })

    test('is not priced for a party that the experience does not take', async () => {
      const { timeSlotId } = await anOffer(stack, { experience: { maxGuests: 3 } })
      const params = { id: timeSlotId }
      const answer = await stack.api.call(catalog.getTimeSlot, { as: aUser(), params, query: { guests: 4 } })
      expectInvalid(answer, 'querystring.guests')
    })

    test('is found by when it starts, a page at a time', async () => {
      const { id } = await anExperience(stack)
      const days = ['2099-05-03', '2099-05-01', '2099-05-02']
      for (const day of days) await aTimeSlot(stack, id, { startsAt: `${day}T10:00:00Z`, endsAt: `${day}T11:00:00Z` })
      const find = async (query: Record<string, string | number>) => {
        const page = await stack.api.ok(catalog.listTimeSlots, { as: aUser(), params: { id }, query })
        return [page.timeSlots.map((slot) => slot.startsAt.slice(0, 10)), page.pagination] as const
      }
      const [all, pagination] = await find({})
      expect(all).toEqual(days.toSorted())
      expect(pagination).toEqual({ total: 3, limit: 10, offset: 0, hasMore: false })
      expect(await find({ limit: 2 })).toEqual([
        ['2099-05-01', '2099-05-02'],
        { total: 3, limit: 2, offset: 0, hasMore: true },
      ])
      expect(await find({ limit: 2, offset: 2 })).toEqual([
        ['2099-05-03'],
        { total: 3, limit: 2, offset: 2, hasMore: false },
      ])
      expect(await find({ limit: 2, offset: 9 })).toEqual([[], { total: 3, limit: 2, offset: 9, hasMore: false }])
      expect((await find({ from: '2099-05-02T00:00:00Z' }))[0]).toEqual(['2099-05-02', '2099-05-03'])
      expect((await find({ to: '2099-05-02T09:59:59Z' }))[0]).toEqual(['2099-05-01'])
      expect((await find({ from: '2099-05-01T10:00:01Z', to: '2099-05-03T09:00:00Z' }))[0]).toEqual(['2099-05-02'])
    })

    test('counts what is held and booked; its capacity goes no lower', async () => {
      const guest = aUser()
      const offer = await anOffer(stack, { slot: { capacity: 10 } })
      await aConfirmedReservation(stack, guest, offer)
      await aHold(stack, guest, offer, { numberOfGuests: 3 })
      await untilSeats(stack, offer.timeSlotId, { held: 3, booked: 2 })
      expectError(await patchSlot(offer.timeSlotId, { capacity: 4 }), 'CAPACITY_IN_USE')
      expect((await patchSlot(offer.timeSlotId, { capacity: 5 })).body).toMatchObject({
        timeSlot: { capacity: 5, held: 3, booked: 2, available: 0 },
      })
    })

    test('that is closed takes no new holds and leaves the others; opened, it takes them again', async () => {
      const guest = aUser()
      const offer = await anOffer(stack)
      const { id } = await aHold(stack, guest, offer)
      expect((await patchSlot(offer.timeSlotId, { status: 'closed' })).body).toMatchObject({
        timeSlot: { status: 'closed', held: 2 },
      })
      const hold = () => stack.api.call(reservations.createHold, { as: guest, body: holdBody(offer) })
      expectError(await hold(), 'TIME_SLOT_NOT_AVAILABLE')
      expect(await readReservation(stack, guest, id)).toMatchObject({ status: 'held' })
      expect((await stack.api.call(reservations.convertHold, { as: guest, body: { holdId: id } })).status).toBe(200)
      await patchSlot(offer.timeSlotId, { status: 'open' })
      expect((await hold()).status).toBe(200)
    })
  })
}
