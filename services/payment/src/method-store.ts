import { Id } from '@holdfast/contracts/values'
import { type Queries, statement } from '@holdfast/db/database'

/** Saved cards in SQL. The customer's row is the lock for all cards of a user: there is one default, always. */

export interface Card {
  readonly id: string
  readonly stripeMethodId: string
  readonly fingerprint: string
  readonly brand: string
  readonly last4: string
  readonly expMonth: number
  readonly expYear: number
  readonly nickname: string | null
  readonly isDefault: boolean
  readonly createdAt: Date
}

const columns = `id, stripe_method_id as "stripeMethodId", fingerprint, brand, last4, exp_month as "expMonth",
  exp_year as "expYear", nickname, is_default as "isDefault", created_at as "createdAt"`

const lock = statement<{ user_id: string }>(
  'method.lock-customer',
  'select user_id from customer where user_id = $1 for update',
)
const find = statement<Card>('method.find', `select ${columns} from payment_method where user_id = $1 and id = $2`)
const list = statement<Card>(
  'method.list',
  `select ${columns} from payment_method where user_id = $1 order by is_default desc, created_at desc, id`,
)
const insert = statement(
  'method.insert',
  `insert into payment_method (user_id, stripe_method_id, fingerprint, brand, last4, exp_month, exp_year, nickname, is_default)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
)
const rename = statement('method.rename', 'update payment_method set nickname = $2 where id = $1')
const renew = statement(
  'method.renew',
  'update payment_method set stripe_method_id = $2, exp_month = $3, exp_year = $4 where id = $1',
)
const remove = statement('method.remove', 'delete from payment_method where id = $1')
const makeDefault = statement('method.make-default', 'update payment_method set is_default = true where id = $1')
const clearDefault = statement(
  'method.clear-default',
  'update payment_method set is_default = false where user_id = $1 and is_default',
)

export const lockCards = (tx: Queries, userId: string) => tx.maybeOne(lock, [userId])
/** Default first, then the newest. */
export const cardsOf = (queries: Queries, userId: string) => queries.many(list, [userId])

/** A card of this user by our own id; whatever is not one of theirs is not there. */
export async function findCard(queries: Queries, userId: string, id: string): Promise<Card | undefined> {
  const uuid = Id.safeParse(id)
  return uuid.success ? queries.maybeOne(find, [userId, uuid.data]) : undefined
}

export async function insertCard(tx: Queries, userId: string, card: Omit<Card, 'id' | 'createdAt'>): Promise<void> {
  const { stripeMethodId, fingerprint, brand, last4, expMonth, expYear, nickname, isDefault } = card
  await tx.run(insert, [userId, stripeMethodId, fingerprint, brand, last4, expMonth, expYear, nickname, isDefault])
}

export const renameCard = (tx: Queries, id: string, nickname: string | null) => tx.run(rename, [id, nickname])
export const renewCard = (
  tx: Queries,
  id: string,
  { stripeMethodId, expMonth, expYear }: Pick<Card, 'stripeMethodId' | 'expMonth' | 'expYear'>,
) => tx.run(renew, [id, stripeMethodId, expMonth, expYear])
export const removeCard = (tx: Queries, id: string) => tx.run(remove, [id])

export async function setDefaultCard(tx: Queries, userId: string, id: string): Promise<void> {
  await tx.run(clearDefault, [userId])
  await tx.run(makeDefault, [id])
}
