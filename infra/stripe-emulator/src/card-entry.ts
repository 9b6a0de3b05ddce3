import { cardByNumber, cardByToken, declines, type TestCard } from './cards.ts'
import { errors } from './errors.ts'

export interface CardEntry {
  number?: string
  exp_month?: number
  exp_year?: number
  cvc?: string
  token?: string
}

export interface EnteredCard {
  test: TestCard
  exp_month: number
  exp_year: number
  cvcGiven: boolean
}

/** Reads what was typed into a card form, or throws the error Stripe would show below it. `now` is a Date for the expiry. */
export function readCardEntry(entry: CardEntry, now: Date): EnteredCard {
  if (entry.token !== undefined) {
    const test = cardByToken(entry.token)
    if (test === undefined || !entry.token.startsWith('tok_')) {
      throw errors.noSuch('token', entry.token, 'card[token]', 400)
    }
    return { test, ...tokenExpiry(now), cvcGiven: true }
  }
  if (entry.number === undefined) throw errors.parameterMissing('card[number]')
  if (entry.exp_month === undefined) throw errors.parameterMissing('card[exp_month]')
  if (entry.exp_year === undefined) throw errors.parameterMissing('card[exp_year]')
  const number = entry.number.replace(/[\s-]/g, '')
  if (!passesLuhn(number)) {
    throw errors.cardError('Your card number is incorrect.', { code: 'incorrect_number', param: 'number' })
  }
  const exp_year = entry.exp_year < 100 ? 2000 + entry.exp_year : entry.exp_year
  checkExpiry(entry.exp_month, exp_year, now)
  const test = cardByNumber(number)
  if (test === undefined) throw errors.cardError(declines.notATestCard.message, { ...declines.notATestCard })
  checkCvc(entry.cvc, test)
  return { test, exp_month: entry.exp_month, exp_year, cvcGiven: entry.cvc !== undefined }
}

/** Test tokens never expire: next year's month. */
export const tokenExpiry = (now: Date) => ({ exp_month: now.getUTCMonth() + 1, exp_year: now.getUTCFullYear() + 1 })

function checkExpiry(month: number, year: number, now: Date): void {
  if (month < 1 || month > 12) {
    throw errors.cardError("Your card's expiration month is invalid.", {
      code: 'invalid_expiry_month',
      param: 'exp_month',
    })
  }
  const thisYear = now.getUTCFullYear()
  if (year < thisYear || year > thisYear + 50) {
    throw errors.cardError("Your card's expiration year is invalid.", {
      code: 'invalid_expiry_year',
      param: 'exp_year',
    })
  }
  if (year === thisYear && month < now.getUTCMonth() + 1) {
    throw errors.cardError("Your card's expiration month is invalid.", {
      code: 'invalid_expiry_month',
      param: 'exp_month',
    })
  }
}

function checkCvc(cvc: string | undefined, test: TestCard): void {
  if (cvc === undefined) return
  const length = test.brand === 'amex' ? /^\d{3,4}$/ : /^\d{3}$/
  if (!length.test(cvc)) {
    throw errors.cardError("Your card's security code is invalid.", { code: 'invalid_cvc', param: 'cvc' })
  }
}

function passesLuhn(number: string): boolean {
  if (!/^\d{12,19}$/.test(number)) return false
  let sum = 0
  for (let index = 0; index < number.length; index++) {
    const digit = Number(number[number.length - 1 - index])
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
