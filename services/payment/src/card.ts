import type { PaymentMethodView } from '@holdfast/contracts/routes/payments'

/** How a saved card is shown. Pure. */

const displayNames: Partial<Record<string, string>> = {
  amex: 'American Express',
  cartes_bancaires: 'Cartes Bancaires',
  diners: 'Diners Club',
  discover: 'Discover',
  eftpos_au: 'eftpos Australia',
  interac: 'Interac',
  jcb: 'JCB',
  link: 'Link',
  mastercard: 'Mastercard',
  unionpay: 'UnionPay',
  visa: 'Visa',
}

/** `amex` → `American Express`; one we have not heard of as Stripe writes it, with a capital. */
function brandName(brand: string): string {
  return displayNames[brand] ?? `${brand.charAt(0).toUpperCase()}${brand.slice(1)}`
}

export function cardView(card: {
  id: string
  last4: string
  brand: string
  expMonth: number
  expYear: number
  isDefault: boolean
  nickname: string | null
  createdAt: Date
}): PaymentMethodView {
  return {
    id: card.id,
    type: 'card',
    last4: card.last4,
    brand: brandName(card.brand),
    expMonth: String(card.expMonth).padStart(2, '0'),
    expYear: String(card.expYear),
    isDefault: card.isDefault,
    nickname: card.nickname,
    createdAt: card.createdAt.toISOString(),
  }
}
