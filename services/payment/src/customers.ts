import { Unavailable } from '@holdfast/contracts/errors'
import { type Database, type Queries, statement } from '@holdfast/db/database'
import type { StripeDoor } from './stripe.ts'
import type { Operations, StripeCalls } from './stripe-calls.ts'

const find = statement<{ id: string }>(
  'customer.find',
  'select stripe_customer_id as id from customer where user_id = $1',
)
const insert = statement(
  'customer.insert',
  'insert into customer (user_id, stripe_customer_id) values ($1, $2) on conflict (user_id) do nothing',
)

/** The row is the lock for the cards that belong to it. */
const lock = statement<{ userId: string }>(
  'customer.lock',
  'select user_id as "userId" from customer where stripe_customer_id = $1 for update',
)
const removeCards = statement('customer.remove-cards', 'delete from payment_method where user_id = $1')
const remove = statement('customer.remove', 'delete from customer where user_id = $1')

/** The user's customer at Stripe, made when it is first needed, and again when somebody has deleted it there. */
export interface Customers {
  ensure(userId: string): Promise<string>
}

export const findCustomer = async (queries: Queries, userId: string) => (await queries.maybeOne(find, [userId]))?.id

/** Deleted in the dashboard: its cards are gone with it, and no payment can be made with them. */
export async function forgetCustomer(tx: Queries, stripeCustomerId: string): Promise<void> {
  const customer = await tx.maybeOne(lock, [stripeCustomerId])
  if (!customer) return
  await tx.run(removeCards, [customer.userId])
  await tx.run(remove, [customer.userId])
}

export function createCustomers(database: Database, calls: StripeCalls): Customers {
  return {
    ensure: async (userId) => {
      const known = await findCustomer(database, userId)
      if (known) return known
      for (const again of [false, true]) {
        await calls.settle({ operation: 'customers.create', userId }, { again })
        const made = await findCustomer(database, userId)
        if (made) return made
      }
      throw new Unavailable('Stripe made no customer')
    },
  }
}

export function customerOperations(stripe: StripeDoor): Pick<Operations, 'customers.create'> {
  return {
    'customers.create': {
      call: ({ userId }, key) => stripe.createCustomer({ metadata: { userId } }, key),
      done: async (tx, { userId }, { id }: { id: string }) => {
        await tx.run(insert, [userId, id])
      },
    },
  }
}
