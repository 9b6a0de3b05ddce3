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

/** The user's customer at Stripe, made when it is first needed. */
export interface Customers {
  ensure(userId: string): Promise<string>
}

export const findCustomer = async (queries: Queries, userId: string) => (await queries.maybeOne(find, [userId]))?.id

export function createCustomers(database: Database, calls: StripeCalls): Customers {
  return {
    ensure: async (userId) => {
      const known = await findCustomer(database, userId)
      if (known) return known
      await calls.settle({ operation: 'customers.create', userId })
      const made = await findCustomer(database, userId)
      if (!made) throw new Unavailable('Stripe made no customer')
      return made
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
