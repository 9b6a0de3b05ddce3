import { describe, expect, test } from '@jest/globals'
import { cardView } from './card.ts'

const card = {
  id: 'id',
  last4: '4242',
  brand: 'visa',
  expMonth: 3,
  expYear: 2031,
  isDefault: false,
  nickname: null,
  createdAt: new Date(0),
}

describe('a saved card', () => {
  test('is shown with a month of two digits and a year of four', () => {
    expect(cardView(card)).toMatchObject({ expMonth: '03', expYear: '2031', createdAt: '1970-01-01T00:00:00.000Z' })
  })

  test.each([
    ['visa', 'Visa'],
    ['amex', 'American Express'],
    ['diners', 'Diners Club'],
    ['jcb', 'JCB'],
    ['something_new', 'Something_new'],
  ])('%s is shown as %s', (brand, shown) => {
    expect(cardView({ ...card, brand }).brand).toBe(shown)
  })
})
