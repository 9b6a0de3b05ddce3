import { randomUUID } from 'node:crypto'
import type { PaymentMethodView } from '@holdfast/contracts/routes/payments'
import * as payments from '@holdfast/contracts/routes/payments'
import { expect } from '@jest/globals'
import { cards } from '../support/stripe-js.ts'
import type { Card, Model, Wallet } from './model.ts'
import { ask, follow, nothing, type World } from './world.ts'

/** Saved cards: one row a card, and exactly one default. */

export function walletOf(model: Model, user: string): Wallet {
  const wallet = model.wallets.get(user)
  if (!wallet) throw new Error(`${user} has no wallet`)
  return wallet
}

export async function addCard(model: Model, world: World, user: string, number: string, nickname: string | null) {
  const paymentMethodId = await world.stack.stripeJs.createPaymentMethod(number)
  const body = { paymentMethodId, ...(nickname !== null && { nickname }) }
  const { answer } = await ask(world, payments.addPaymentMethod, { as: user, body })
  follow(answer, {
    ok: number !== cards.declined && (({ data }) => added(walletOf(model, user), number, nickname, data)),
    PAYMENT_CARD_DECLINED:
      number === cards.declined && (({ details }) => expect(details).toEqual({ declineCode: 'generic_decline' })),
  })
}

function added(wallet: Wallet, number: string, nickname: string | null, data: PaymentMethodView): void {
  expect(data).toMatchObject({ type: 'card', brand: 'Visa', last4: number.slice(-4), expMonth: '12', expYear: '2030' })
  const known = wallet.cards.find((card) => card.number === number)
  if (known) {
    known.nickname = nickname ?? known.nickname
    expect(data).toMatchObject(viewOf(known))
    return
  }
  expect(data.nickname).toBe(nickname)
  // The first is the default. One that a payment saves at this very moment may have been first.
  if (wallet.coming.size === 0) expect(data.isDefault).toBe(wallet.cards.length === 0)
  wallet.cards.push({ id: data.id, number, nickname, isDefault: data.isDefault })
}

const viewOf = ({ id, number, nickname, isDefault }: Card) => ({ id, last4: number.slice(-4), nickname, isDefault })

/** Default first, then the newest. Cards that a payment was to save may have come. */
export async function listCards(model: Model, world: World, user: string): Promise<void> {
  const { answer } = await ask(world, payments.listPaymentMethods, { as: user })
  follow(answer, { ok: ({ data }) => expectCards(walletOf(model, user), data) })
}

export function expectCards(wallet: Wallet, data: readonly PaymentMethodView[]): void {
  const arrived = data.filter(({ id }) => !wallet.cards.some((card) => card.id === id))
  for (const { id, last4, nickname, isDefault } of arrived.toReversed()) {
    const number = [...wallet.coming.keys()].find((one) => one.endsWith(last4))
    if (number === undefined) throw new Error(`a card ${last4} is there that nobody saved`)
    expect(wallet.cards.map((card) => card.number)).not.toContain(number)
    wallet.cards.push({ id, number, nickname, isDefault })
  }
  expect(data.filter(({ isDefault }) => isDefault)).toHaveLength(data.length > 0 ? 1 : 0)
  const newestFirst = wallet.cards.toReversed()
  const inOrder = [...newestFirst.filter((card) => card.isDefault), ...newestFirst.filter((card) => !card.isDefault)]
  const seen = data.map(({ id, last4, nickname, isDefault }) => ({ id, last4, nickname, isDefault }))
  // Which of two was first is not known where one came by itself.
  if (wallet.coming.size > 0) expect(new Set(seen)).toEqual(new Set(inOrder.map(viewOf)))
  else expect(seen).toEqual(inOrder.map(viewOf))
}

export async function removeCard(model: Model, world: World, user: string, card: Card | undefined): Promise<void> {
  const wallet = walletOf(model, user)
  const isTheirs = card !== undefined && wallet.cards.includes(card)
  const { answer } = await ask(world, payments.deletePaymentMethod, {
    as: user,
    params: { id: card?.id ?? randomUUID() },
  })
  if (!isTheirs) return follow(answer, { PAYMENT_METHOD_NOT_FOUND: nothing })
  follow(answer, { ok: nothing })
  wallet.cards = wallet.cards.filter((other) => other !== card)
  if (wallet.coming.has(card.number)) wallet.coming.set(card.number, 'may')
  const newest = wallet.cards.at(-1)
  if (!card.isDefault || !newest) return
  if (wallet.coming.size === 0) newest.isDefault = true
  else await adoptDefault(world, user, wallet)
}

/** Which one is the newest, and so the default now, may be one that came by itself. */
async function adoptDefault(world: World, user: string, wallet: Wallet): Promise<void> {
  const { answer } = await ask(world, payments.listPaymentMethods, { as: user })
  const { data } = answer.body as { data: PaymentMethodView[] }
  for (const card of wallet.cards) card.isDefault = data.some(({ id, isDefault }) => id === card.id && isDefault)
  expectCards(wallet, data)
}

export async function setDefault(model: Model, world: World, user: string, card: Card | undefined): Promise<void> {
  const wallet = walletOf(model, user)
  const { answer } = await ask(world, payments.setDefaultPaymentMethod, {
    as: user,
    params: { id: card?.id ?? randomUUID() },
  })
  if (!card || !wallet.cards.includes(card)) return follow(answer, { PAYMENT_METHOD_NOT_FOUND: nothing })
  follow(answer, { ok: nothing })
  for (const other of wallet.cards) other.isDefault = other === card
}
