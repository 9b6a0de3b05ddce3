import { describe, expect, test } from '@jest/globals'
import type { Route } from '../route.ts'
import { createExperience, createTimeSlot } from './catalog.ts'
import { createHold } from './reservations.ts'

/** What a client is told of a body, by the path of each fault; nothing of one that is good. */
const faults = ({ body: schema }: Route, body: unknown) => {
  const issues = schema?.safeParse(body).error?.issues ?? []
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

const id = '123e4567-e89b-12d3-a456-426614174000'
const hold = { experienceId: id, timeSlotId: id, numberOfGuests: 1, guestName: 'Ana', guestEmail: 'ana@example.com' }

describe('an e-mail address', () => {
  test.each([
    'ana+boat@mail.example.co.uk',
    "o'hara@example.com",
    'a.b%c#d!e@example.com',
    '{ana}@example.com',
    'ana@xn--bcher-kva.example',
    'ana@example.xn--p1ai',
    'ANA@EXAMPLE.COM',
  ])('%s is one', (guestEmail) => {
    expect(faults(createHold, { ...hold, guestEmail })).toEqual([])
  })

  test.each([
    'ana',
    'ana@',
    '@example.com',
    'ana@example',
    'a..b@example.com',
    '.ana@example.com',
    'ana@-a.example',
    'ana@example..com',
    'ana@example.c',
    'ana @example.com',
    'ana@example.com\n',
    'ana@ana@example.com',
  ])('%j is none', (guestEmail) => {
    expect(faults(createHold, { ...hold, guestEmail })).toEqual(['guestEmail: must be an e-mail address'])
  })
})

test('an id that is none is named in the words of this API', () => {
  expect(faults(createHold, { ...hold, timeSlotId: 'x' })).toEqual(['timeSlotId: must be a UUID'])
})

test.each(['2099-01-01', '2099-01-01T10:00:00', '2099-01-01T10:00:00 02:00', 'tomorrow'])(
  'a time like %s is told once what it lacks',
  (startsAt) => {
    const slot = { startsAt, endsAt: '2099-01-02T10:00:00+02:00', capacity: 1 }
    expect(faults(createTimeSlot, slot)).toEqual([
      'startsAt: must be a time with its offset, like 2027-05-01T10:00:00Z',
    ])
  },
)

test.each([
  ['Europe/Lisbon', []],
  ['UTC', []],
  ['+02:00', ['timeZone: must be an IANA time zone']],
  ['-0330', ['timeZone: must be an IANA time zone']],
  ['Mars/Olympus', ['timeZone: must be an IANA time zone']],
])('a time zone like %s', (timeZone, expected) => {
  expect(faults(createExperience, { title: 'A walk', timeZone, pricePerGuest: 0 })).toEqual(expected)
})
