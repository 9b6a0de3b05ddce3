import { describe, expect, test } from '@jest/globals'
import { fingerprintOf, parseForm } from './form.ts'
import { checkParameters, type Fields, mergeMetadata } from './parameters.ts'

const form = (text: string) => parseForm(text) ?? {}
const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

describe('a form', () => {
  test('nests by brackets', () => {
    expect(plain(form('a=1&b[c][d]=2&e[]=3&e[]=4&f[0][g]=5'))).toEqual({
      a: '1',
      b: { c: { d: '2' } },
      e: { 0: '3', 1: '4' },
      f: { 0: { g: '5' } },
    })
    expect(plain(form('a=x%20y%2Bz+q'))).toEqual({ a: 'x y+z q' })
  })

  test('that contradicts itself, or goes too deep, is none', () => {
    for (const text of ['a=1&a[b]=2', 'a[b]=2&a=1', '[a]=1', 'a[b=1', 'a[1][2][3][4][5][6][7][8]=1']) {
      expect(parseForm(text)).toBeNull()
    }
  })

  test('cannot reach a prototype', () => {
    form('__proto__[polluted]=yes&constructor[prototype][polluted]=yes')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test('has one fingerprint whatever its order, and another for other values', () => {
    expect(fingerprintOf(form('a=1&b[c]=2'))).toBe(fingerprintOf(form('b[c]=2&a=1')))
    expect(fingerprintOf(form('a=1'))).not.toBe(fingerprintOf(form('a=2')))
  })
})

describe('parameters', () => {
  const fields: Fields = {
    amount: { type: 'integer', min: 1, required: true },
    on: { type: 'boolean' },
    card: { type: 'object', fields: { number: { type: 'string', max: 19, required: true } } },
    expand: { type: 'array', of: { type: 'string' } },
    note: { type: 'string', unset: true },
    later: { type: 'unsupported' },
    metadata: { type: 'metadata', unset: true },
  }
  const check = (text: string) => checkParameters(form(text), fields)

  test('take their types', () => {
    const text = 'amount=5&on=true&card[number]=42&expand[]=x&note=&metadata[n]=7'
    expect(check(text)).toEqual({
      amount: 5,
      on: true,
      card: { number: '42' },
      expand: ['x'],
      note: '',
      metadata: { n: '7' },
    })
  })

  test.each([
    ['amount=0', 'parameter_invalid_integer', 'amount'],
    ['amount=1e3', 'parameter_invalid_integer', 'amount'],
    ['amount=5&on=yes', undefined, 'on'],
    ['amount=5&card=4242', undefined, 'card'],
    ['amount=5&card[number][x]=1', undefined, 'card[number]'],
    ['amount=5&card[x]=1', 'parameter_unknown', 'card[x]'],
    ['amount=5&card[number]=', 'parameter_invalid_empty', 'card[number]'],
    ['amount=5&expand=x', undefined, 'expand'],
    ['amount=5&later=1', undefined, 'later'],
    ['amount=5&toString=1', 'parameter_unknown', 'toString'],
  ])('%s is refused (%s, %s)', (text, code, param) => {
    let refused: { body?: object } = {}
    try {
      check(text)
    } catch (error) {
      refused = error as { body?: object }
    }
    expect(refused.body).toMatchObject({ type: 'invalid_request_error', param, ...(code && { code }) })
  })

  test('of metadata are merged, unset one by one or all at once, and limited to fifty', () => {
    expect(mergeMetadata({ a: '1', b: '2' }, { b: '', c: '3' })).toEqual({ a: '1', c: '3' })
    expect(mergeMetadata({ a: '1' }, '')).toEqual({})
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, 'v']))
    expect(() => mergeMetadata({ one: 'more' }, many)).toThrow('50')
  })
})
