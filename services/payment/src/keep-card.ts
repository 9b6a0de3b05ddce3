import { forgetCustomer } from './customers.ts'
import { type Card, cardsOf, insertCard, lockCards, renameCard, renewCard } from './method-store.ts'
import type { StripeDoor } from './stripe.ts'
import { type Operations, type Tx, wasOrdered } from './stripe-calls.ts'
import type { SeenMethod } from './stripe-objects.ts'
import { isCustomerGone } from './stripe-problem.ts'

type OnMethods = `payment_methods.${'attach' | 'detach' | 'retrieve'}`

export function methodOperations(stripe: StripeDoor): Pick<Operations, OnMethods> {
  return {
    'payment_methods.attach': {
      call: ({ stripeMethodId, customer }, key) => stripe.attachMethod(stripeMethodId, customer, key),
      // The row is written by whoever added the card, with the answer to the guest.
      done: async () => {},
      refused: async (tx, { customer }, { problem }) => {
        if (isCustomerGone(problem)) await forgetCustomer(tx, customer)
        return 'failed'
      },
    },
    'payment_methods.detach': {
      call: ({ stripeMethodId }, key) => stripe.detachMethod(stripeMethodId, key),
      done: async () => {},
    },
    'payment_methods.retrieve': {
      call: ({ stripeMethodId }) => stripe.retrieveMethod(stripeMethodId),
      done: async (tx, { userId }, method: SeenMethod) => {
        // What else can be saved (Link, a bank account) is not shown as a card, and can't be kept as one.
        if (method.customer !== null && method.card !== null) await keepCard(tx, userId, method, {})
      },
    },
  }
}

/**
 * Keeps a card that is attached to the user's customer. The same card again is the row it was, with the nickname it is
 * given now, and its second payment method is detached; but where the bank has renewed it, the old one is. The first card is
 * the default. Undefined when the guest has removed this very card meanwhile: its payment method is being detached, or has
 * never been attached.
 */
export async function keepCard(
  tx: Tx,
  userId: string,
  method: SeenMethod,
  given: { nickname?: string | null | undefined },
): Promise<Card | undefined> {
  const { card } = method
  if (!card) throw new Error(`${method.id} is no card`)
  await lockCards(tx, userId)
  const detachment = { operation: 'payment_methods.detach', userId, stripeMethodId: method.id } as const
  const isAttached = method.customer !== null && !(await wasOrdered(tx, detachment))
  const cards = await cardsOf(tx, userId)
  const same = cards.find(({ fingerprint }) => fingerprint === card.fingerprint)
  if (same) {
    if (given.nickname !== undefined) await renameCard(tx, same.id, given.nickname)
    if (same.stripeMethodId !== method.id && isAttached) {
      const isNewer = isRenewal(card, same)
      if (isNewer) await renewCard(tx, same.id, { ...card, stripeMethodId: method.id })
      await tx.order(isNewer ? { ...detachment, stripeMethodId: same.stripeMethodId } : detachment)
    }
  } else if (isAttached) {
    const isDefault = cards.length === 0
    await insertCard(tx, userId, { ...card, stripeMethodId: method.id, nickname: given.nickname ?? null, isDefault })
  }
  return (await cardsOf(tx, userId)).find(({ fingerprint }) => fingerprint === card.fingerprint)
}

type Expiry = Pick<Card, 'expMonth' | 'expYear'>

/** A bank renews a card under its number: what was saved of it before is refused from its last month on. */
export const isRenewal = (card: Expiry, saved: Expiry): boolean =>
  card.expYear > saved.expYear || (card.expYear === saved.expYear && card.expMonth > saved.expMonth)
