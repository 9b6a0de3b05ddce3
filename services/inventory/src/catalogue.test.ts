import { randomUUID } from 'node:crypto'
import { statement } from '@holdfast/db/database'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { newSlot, type RunningInventory, startTestInventory } from './testing.ts'

let inventory: RunningInventory
beforeAll(async () => {
  inventory = await startTestInventory()
})
afterAll(() => inventory.close())

const day = 86_400_000
const inDays = (days: number, hours = 0) => new Date(Date.now() + days * day + hours * 3_600_000).toISOString()
const kayak = {
  title: 'Kayak 🌊',
  description: 'Two hours on the river.',
  timeZone: 'Europe/Lisbon',
  currency: 'eur',
  pricePerGuest: 10_000,
  discounts: [
    { type: 'group_5_plus', kind: 'group', minGuests: 2, percent: 15 },
    { type: 'early_bird', kind: 'early_bird', minLeadDays: 30, percent: 10 },
  ],
}

async function offer(change: object = {}): Promise<string> {
  const { body } = await inventory.call('POST', '/v1/experiences', { ...kayak, ...change })
  return body.experience.id
}

async function addSlot(experienceId: string, change: object = {}): Promise<string> {
  const slot = { startsAt: inDays(40), endsAt: inDays(40, 2), capacity: 10, ...change }
  const { body } = await inventory.call('POST', `/v1/experiences/${experienceId}/time-slots`, slot)
  return body.timeSlot.id
}

const faults = (...paths: string[]) => ({
  status: 400,
  body: { error: 'VALIDATION_ERROR', details: paths.map((path) => ({ path, message: expect.any(String) })) },
})

describe('offering an experience', () => {
  test('answers it with its defaults, and everybody can read it', async () => {
    const { status, body } = await inventory.call('POST', '/v1/experiences', kayak)
    expect(status).toBe(201)
    expect(body.experience).toEqual({
      ...kayak,
      id: expect.any(String),
      holdSeconds: 900,
      maxGuests: null,
      status: 'active',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: body.experience.createdAt,
    })
    const authorization = `Bearer ${await inventory.tokenOf('alice')}`
    const read = await inventory.call('GET', `/v1/experiences/${body.experience.id}`, undefined, { authorization })
    expect(read).toMatchObject({ status: 200, body })
  })

  test('with a key happens once, and the second answer is the first', async () => {
    const headers = { 'x-idempotency-key': randomUUID() }
    const first = await inventory.call('POST', '/v1/experiences', kayak, headers)
    const second = await inventory.call('POST', '/v1/experiences', kayak, headers)
    expect(second).toMatchObject({ status: 201, body: first.body })
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(await inventory.call('POST', '/v1/experiences', { ...kayak, title: 'Other' }, headers)).toMatchObject({
      status: 422,
    })
  })

  test('is for operators only', async () => {
    const authorization = `Bearer ${await inventory.tokenOf('alice')}`
    expect(await inventory.call('POST', '/v1/experiences', kayak, { authorization })).toMatchObject({
      status: 403,
      body: { error: 'FORBIDDEN' },
    })
  })
})

describe('changing an experience', () => {
  test('changes what is given and nothing else; null takes the maximum away', async () => {
    const id = await offer({ maxGuests: 6 })
    const change = (patch: object) => inventory.call('PATCH', `/v1/experiences/${id}`, patch)
    expect((await change({ title: 'Canoe', holdSeconds: 60 })).body.experience).toMatchObject({
      title: 'Canoe',
      holdSeconds: 60,
      maxGuests: 6,
      pricePerGuest: 10_000,
    })
    expect((await change({ maxGuests: null, discounts: [] })).body.experience).toMatchObject({
      title: 'Canoe',
      maxGuests: null,
      discounts: [],
    })
  })

  test('needs something to change, of an experience that exists', async () => {
    expect(await inventory.call('PATCH', `/v1/experiences/${await offer()}`, {})).toMatchObject(faults('body'))
    expect(await inventory.call('PATCH', `/v1/experiences/${randomUUID()}`, { title: 'x' })).toMatchObject({
      status: 404,
      body: { error: 'EXPERIENCE_NOT_FOUND' },
    })
  })

  test('an archived one is listed no more, but can still be read', async () => {
    const id = await offer()
    await inventory.call('PATCH', `/v1/experiences/${id}`, { status: 'archived' })
    const { body } = await inventory.call('GET', '/v1/experiences?limit=100')
    expect(body.experiences.map((experience: { id: string }) => experience.id)).not.toContain(id)
    expect((await inventory.call('GET', `/v1/experiences/${id}`)).body.experience.status).toBe('archived')
  })
})

test('experiences are listed newest first, a page at a time', async () => {
  const made = [await offer(), await offer(), await offer()]
  const page = (query: string) => inventory.call('GET', `/v1/experiences?${query}`).then(({ body }) => body)
  const first = await page('limit=2')
  expect(first.experiences.map(({ id }: { id: string }) => id)).toEqual([made[2], made[1]])
  expect(first.pagination).toMatchObject({ limit: 2, offset: 0, hasMore: true })
  const { total } = first.pagination
  const last = await page(`limit=2&offset=${total - 1}`)
  expect(last).toMatchObject({ experiences: [{}], pagination: { total, offset: total - 1, hasMore: false } })
  expect(await page('offset=1000000')).toMatchObject({ experiences: [], pagination: { total, hasMore: false } })
})

describe('adding a time slot', () => {
  test('answers it empty, at its experience’s price unless it has its own', async () => {
    const experienceId = await offer()
    const slot = { startsAt: inDays(3).replace('Z', '+00:00'), endsAt: inDays(4), capacity: 12 }
    const { status, body } = await inventory.call('POST', `/v1/experiences/${experienceId}/time-slots`, slot)
    expect(status).toBe(201)
    expect(body.timeSlot).toEqual({
      id: expect.any(String),
      experienceId,
      startsAt: slot.startsAt.replace('+00:00', 'Z'),
      endsAt: slot.endsAt,
      capacity: 12,
      held: 0,
      booked: 0,
      available: 12,
      status: 'open',
      pricePerGuest: 10_000,
      currency: 'eur',
    })
    const own = await addSlot(experienceId, { pricePerGuest: 5 })
    expect((await inventory.call('GET', `/v1/time-slots/${own}`)).body.timeSlot.pricePerGuest).toBe(5)
  })

  test('needs times in the future and in order, and an experience', async () => {
    const path = `/v1/experiences/${await offer()}/time-slots`
    const add = (startsAt: string, endsAt: string, to = path) =>
      inventory.call('POST', to, { startsAt, endsAt, capacity: 1 })
    expect(await add(inDays(-1), inDays(1))).toMatchObject(faults('body.startsAt'))
    expect(await add(inDays(1), inDays(1))).toMatchObject({ status: 400 })
    expect(await add(inDays(-2), inDays(-3))).toMatchObject(faults('body.startsAt', 'body.endsAt'))
    expect(await add(inDays(1), inDays(2), `/v1/experiences/${randomUUID()}/time-slots`)).toMatchObject({
      status: 404,
      body: { error: 'EXPERIENCE_NOT_FOUND' },
    })
  })
})

describe('changing a time slot', () => {
  test('cannot lower its capacity below what is held and booked', async () => {
    const slot = await newSlot(inventory.database, { capacity: 10 })
    await inventory.database.run(statement('t.take', 'update time_slot set held = 2, booked = 3 where id = $1'), [
      slot.id,
    ])
    const change = (patch: object) => inventory.call('PATCH', `/v1/time-slots/${slot.id}`, patch)
    expect(await change({ capacity: 4 })).toMatchObject({ status: 409, body: { error: 'CAPACITY_IN_USE' } })
    expect(await change({ capacity: 5 })).toMatchObject({
      status: 200,
      body: { timeSlot: { capacity: 5, available: 0 } },
    })
  })

  test('changes price and status; null goes back to the experience’s price', async () => {
    const id = await addSlot(await offer(), { pricePerGuest: 5 })
    const change = (patch: object) => inventory.call('PATCH', `/v1/time-slots/${id}`, patch)
    expect((await change({ status: 'closed' })).body.timeSlot).toMatchObject({ status: 'closed', pricePerGuest: 5 })
    expect((await change({ pricePerGuest: null })).body.timeSlot).toMatchObject({ pricePerGuest: 10_000 })
    expect(await change({})).toMatchObject(faults('body'))
    expect(await inventory.call('PATCH', `/v1/time-slots/${randomUUID()}`, { capacity: 1 })).toMatchObject({
      status: 404,
      body: { error: 'TIME_SLOT_NOT_FOUND' },
    })
  })
})

describe('looking for a time slot', () => {
  test('lists those of an experience in the order of their beginning, between two times', async () => {
    const id = await offer()
    const days = [30, 10, 20]
    const slots = await Promise.all(
      days.map((days) => addSlot(id, { startsAt: inDays(days), endsAt: inDays(days, 1) })),
    )
    const list = async (query = '') => {
      const { body } = await inventory.call('GET', `/v1/experiences/${id}/time-slots${query}`)
      return { ids: body.timeSlots.map((slot: { id: string }) => slot.id), pagination: body.pagination }
    }
    expect((await list()).ids).toEqual([slots[1], slots[2], slots[0]])
    expect((await list(`?from=${inDays(15)}&to=${inDays(25)}`)).ids).toEqual([slots[2]])
    expect(await list(`?from=${inDays(15)}&limit=1`)).toEqual({
      ids: [slots[2]],
      pagination: { total: 2, limit: 1, offset: 0, hasMore: true },
    })
    expect(await inventory.call('GET', `/v1/experiences/${randomUUID()}/time-slots`)).toMatchObject({
      status: 404,
      body: { error: 'EXPERIENCE_NOT_FOUND' },
    })
  })

  test('lists those to come, and what has begun for who asks for it', async () => {
    const begun = await newSlot(inventory.database, { startsInDays: -1 })
    const list = async (query: string) =>
      (await inventory.call('GET', `/v1/experiences/${begun.experienceId}/time-slots${query}`)).body.pagination.total
    expect(await list('')).toBe(0)
    expect(await list(`?from=${inDays(-2)}`)).toBe(1)
  })

  test('gives a party its price, as a hold made now would have it', async () => {
    const id = await offer({ maxGuests: 4 })
    const slot = await addSlot(id)
    const price = {
      originalPrice: 20_000,
      discountApplied: 5_000,
      totalPrice: 15_000,
      appliedDiscounts: {
        groupDiscount: { amount: 3_000, type: 'group_5_plus' },
        earlyBirdDiscount: { amount: 2_000, type: 'early_bird' },
        totalDiscount: 5_000,
      },
    }
    const { body: one } = await inventory.call('GET', `/v1/time-slots/${slot}?guests=2`)
    expect(one.timeSlot.price).toEqual(price)
    const { body: listed } = await inventory.call('GET', `/v1/experiences/${id}/time-slots?guests=2`)
    expect(listed.timeSlots).toEqual([one.timeSlot])
    expect((await inventory.call('GET', `/v1/time-slots/${slot}`)).body.timeSlot).not.toHaveProperty('price')
  })

  test('refuses a party that is too large for the experience', async () => {
    const id = await offer({ maxGuests: 4 })
    for (const path of [`/v1/time-slots/${await addSlot(id)}?guests=5`, `/v1/experiences/${id}/time-slots?guests=5`])
      expect(await inventory.call('GET', path)).toMatchObject(faults('querystring.guests'))
  })

  test('knows nothing of one that does not exist', async () => {
    expect(await inventory.call('GET', `/v1/time-slots/${randomUUID()}`)).toMatchObject({
      status: 404,
      body: { error: 'TIME_SLOT_NOT_FOUND' },
    })
  })
})
