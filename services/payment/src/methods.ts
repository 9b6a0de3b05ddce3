import { DomainError, Unavailable } from '@holdfast/contracts/errors'
import {
  addPaymentMethod,
  deletePaymentMethod,
  listPaymentMethods,
  setDefaultPaymentMethod,
} from '@holdfast/contracts/routes/payments'
import type { Database } from '@holdfast/db/database'
import type { Reads } from '@holdfast/db/reads'
import { storeAnswer } from '@holdfast/http/idempotency'
import type { Call as HttpCall } from '@holdfast/http/server'
import type { Parts } from '@holdfast/service/service'
import { sql } from 'slonik'
import { z } from 'zod'
import { cardView } from './card.ts'
import { type Customers, findCustomer } from './customers.ts'
import { isRenewal, keepCard } from './keep-card.ts'
import { cardsOf, findCard, lockCards, removeCard, setDefaultCard } from './method-store.ts'
import type { StripeDoor } from './stripe.ts'
import type { StripeCalls } from './stripe-calls.ts'
import type { SeenMethod } from './stripe-objects.ts'
import { isCustomerGone, isNotFound, orUnavailable } from './stripe-problem.ts'

const CardRow = z.object({
  id: z.string(),
  last4: z.string(),
  brand: z.string(),
  expMonth: z.int(),
  expYear: z.int(),
  isDefault: z.boolean(),
  nickname: z.string().nullable(),
  createdAt: z.date(),
})

/** A guest's saved cards. Only adding one is a call to Stripe that the guest waits for. */
export function serveMethods(
  serve: Parts['serve'],
  parts: { database: Database; reads: Reads; calls: StripeCalls; customers: Customers; stripe: StripeDoor },
): void {
  serve(listPaymentMethods, async ({ user }) => ({
    success: true as const,
    data: await listCards(parts.reads, user.id),
  }))
  serve(addPaymentMethod, (call) => addCard(parts, call))
  serve(deletePaymentMethod, async ({ user, params }) => {
    await removeTheirCard(parts.calls, user.id, params.id)
    return { success: true as const, message: 'Payment method removed successfully' }
  })
  serve(setDefaultPaymentMethod, async ({ user, params }) => {
    await parts.calls.transact(async (tx) => {
      await lockCards(tx, user.id)
      const card = await findCard(tx, user.id, params.id)
      if (!card) throw new DomainError('PAYMENT_METHOD_NOT_FOUND')
      await setDefaultCard(tx, user.id, card.id)
    })
    return { success: true as const, message: 'Default payment method updated successfully' }
  })
}

async function listCards(reads: Reads, userId: string) {
  const rows = await reads.any(sql.type(CardRow)`
      select id, last4, brand, exp_month as "expMonth", exp_year as "expYear", is_default as "isDefault", nickname,
        created_at as "createdAt"
      from payment_method where user_id = ${userId} order by is_default desc, created_at desc, id`)
  return rows.map(cardView)
}

async function addCard(
  parts: { database: Database; calls: StripeCalls; customers: Customers; stripe: StripeDoor },
  { user, body, key }: HttpCall<typeof addPaymentMethod>,
) {
  const method = await methodToAdd(parts, user.id, body.paymentMethodId)
  const { card: added } = method
  const saved = (await cardsOf(parts.database, user.id)).find(({ fingerprint }) => fingerprint === added?.fingerprint)
  // A card we have already need not be attached a second time.
  const isKnown = saved && added && !isRenewal(added, saved)
  const customer = isKnown ? method.customer : await attach(parts, user.id, method)
  return parts.calls.transact(async (tx) => {
    const card = await keepCard(tx, user.id, { ...method, customer }, { nickname: body.nickname })
    if (!card) throw new DomainError('PAYMENT_METHOD_NOT_FOUND')
    const reply = { success: true as const, data: cardView(card) }
    if (key) await storeAnswer(tx, key, { status: 200, body: reply })
    return reply
  })
}

/** A payment method that is anybody else's is not found, just as one that does not exist. */
async function methodToAdd(
  { stripe, database }: { stripe: StripeDoor; database: Database },
  userId: string,
  id: string,
): Promise<SeenMethod> {
  // Our own ids, and whatever else is none of Stripe's, are not asked for.
  if (!/^pm_\w+$/.test(id)) throw new DomainError('PAYMENT_METHOD_NOT_FOUND')
  const method = await orUnavailable(stripe.retrieveMethod(id)).catch((error: unknown) => {
    throw isNotFound(error) ? new DomainError('PAYMENT_METHOD_NOT_FOUND') : error
  })
  if (method.customer !== null && method.customer !== (await findCustomer(database, userId)))
    throw new DomainError('PAYMENT_METHOD_NOT_FOUND')
  if (!method.card) throw new DomainError('PAYMENT_PROCESSING_FAILED', { reason: 'not_a_card' })
  return method
}

async function attach(
  { calls, customers }: { calls: StripeCalls; customers: Customers },
  userId: string,
  method: SeenMethod,
): Promise<string> {
  const customer = await customers.ensure(userId)
  if (method.customer === customer) return customer
  const work = { operation: 'payment_methods.attach', userId, stripeMethodId: method.id, customer } as const
  const outcome = await calls.settle(work, { again: true })
  if (outcome.ok) return customer
  const { kind, code, message } = outcome.problem
  // Forgotten by now: whoever asks again gets another one made.
  if (isCustomerGone(outcome.problem)) throw new Unavailable('the customer is gone at Stripe')
  if (kind === 'declined') throw new DomainError('PAYMENT_CARD_DECLINED', { declineCode: code ?? 'generic_decline' })
  if (kind === 'not_found') throw new DomainError('PAYMENT_METHOD_NOT_FOUND')
  throw new DomainError('PAYMENT_PROCESSING_FAILED', { reason: code ?? message })
}

/** Gone for the guest at once; that it is detached at Stripe as well is seen to from the ledger. */
async function removeTheirCard(calls: StripeCalls, userId: string, id: string): Promise<void> {
  await calls.transact(async (tx) => {
    await lockCards(tx, userId)
    const card = await findCard(tx, userId, id)
    if (!card) throw new DomainError('PAYMENT_METHOD_NOT_FOUND')
    await removeCard(tx, card.id)
    const [newest] = (await cardsOf(tx, userId)).toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
    if (card.isDefault && newest) await setDefaultCard(tx, userId, newest.id)
    await tx.order({ operation: 'payment_methods.detach', userId, stripeMethodId: card.stripeMethodId })
  })
}
