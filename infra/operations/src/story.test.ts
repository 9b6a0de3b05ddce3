import { expect, test } from '@jest/globals'
import { details, inOrder, notBefore, relative, told, withoutSecrets } from './story.ts'
import { oneLine, table } from './table.ts'

const from = new Date('2026-11-23T12:00:00.000Z')
const after = (ms: number) => new Date(from.getTime() + ms)

test.each([
  [0, '+0.000 s'],
  [12, '+0.012 s'],
  [-1_500, '-1.500 s'],
  [903_000, '+15 min 3 s'],
  [90_000_000, '+25 h'],
])('%d ms after the hold is %s', (ms, text) => {
  expect(relative(after(ms), from)).toBe(text)
})

test('a story is told in order, and at the same moment in the order in which it was read', () => {
  const line = (ms: number, what: string) => ({ at: after(ms), where: 'payment' as const, what })
  const lines = [line(5, 'c'), line(1, 'a'), line(5, 'd'), line(2, 'b')]
  expect(inOrder(lines).map(({ what }) => what)).toEqual(['a', 'b', 'c', 'd'])
  expect(told(lines, from)[0]).toEqual(['  +0.001 s', '12:00:00.001', 'payment', 'a', ''])
})

test('a refund in the very second of its capture comes after it', () => {
  const second = '2026-11-23T12:00:00.000Z'
  const captured = '2026-11-23T12:00:00.748Z'
  expect(notBefore(second, captured)).toEqual(new Date(captured))
  expect(notBefore('2026-11-23T12:00:01.000Z', captured)).toEqual(new Date('2026-11-23T12:00:01.000Z'))
  expect(notBefore(second, null)).toEqual(from)
})

test('nothing secret and nothing about a person is told', () => {
  const said = details({
    paymentIntentId: 'pi_1',
    clientSecret: 's',
    guestEmail: 'a@b.c',
    deep: { client_secret: 's' },
  })
  expect(said).toBe('paymentIntentId=pi_1 deep={"client_secret":"[hidden]"}')
  expect(withoutSecrets([{ email: 'a@b.c', n: 1 }])).toEqual([{ email: '[hidden]', n: 1 }])
})

test('text from outside cannot speak to the terminal, nor fill it', () => {
  expect(oneLine('a\u001b[31mb\nc\u0007')).toBe('a [31mb c ')
  expect(oneLine('x'.repeat(10), 4)).toBe('xxxx…')
})

test('columns stand below one another', () => {
  expect(
    table([
      ['a', 'bb', 'c'],
      ['aaa', 'b', 'c'],
    ]),
  ).toEqual(['a    bb  c', 'aaa  b   c'])
})
