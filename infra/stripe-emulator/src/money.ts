import { errors } from './errors.ts'

/** Currencies without a minor unit: an amount of 500 is 500 yen. */
const ZERO_DECIMAL = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '))

const CURRENCIES = new Set(
  'usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw'.split(
    ' ',
  ),
)

/** Smallest charge per currency in its minor unit (docs.stripe.com/currencies#minimum-and-maximum-charge-amounts). */
const MINIMUM: Record<string, number> = {
  usd: 50,
  aed: 200,
  aud: 50,
  bgn: 100,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17500,
  inr: 50,
  jpy: 50,
  mxn: 1000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1000,
}
const MAXIMUM = 99_999_999
const SIGNS: Record<string, string> = { usd: '$', eur: '€', gbp: '£', jpy: '¥' }

/** Lower-cases a currency, or throws what Stripe says of one it does not know. */
export function checkCurrency(currency: string): string {
  const lower = currency.toLowerCase()
  if (!CURRENCIES.has(lower)) throw errors.invalidCurrency(lower, [...CURRENCIES].join(', '))
  return lower
}

export function checkChargeable(amount: number, currency: string): void {
  const minimum = MINIMUM[currency] ?? 1
  if (amount < minimum) throw errors.amountTooSmall(`${formatMoney(minimum, currency)} ${currency}`)
  if (amount > MAXIMUM) throw errors.amountTooLarge(formatMoney(MAXIMUM, currency))
}

export function formatMoney(amount: number, currency: string): string {
  const sign = SIGNS[currency] ?? ''
  if (ZERO_DECIMAL.has(currency)) return `${sign}${amount.toLocaleString('en-US')}`
  return `${sign}${(amount / 100).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
}

/** What Stripe keeps of a domestic card payment: 2.9 % and 30. */
export const feeOf = (amount: number): number => Math.round(amount * 0.029) + 30
