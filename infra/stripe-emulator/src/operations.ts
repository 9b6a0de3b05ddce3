import { balanceOperations } from './balance.ts'
import { chargeOperations } from './charges.ts'
import { customerOperations } from './customers.ts'
import { eventOperations } from './events.ts'
import type { Operation } from './operation.ts'
import { paymentIntentOperations } from './payment-intents.ts'
import { paymentMethodOperations } from './payment-methods.ts'
import { refundOperations } from './refunds.ts'
import { setupIntentOperations } from './setup-intents.ts'

/** Everything this stand-in can do, one row an operation. */
export const operations: readonly Operation[] = [
  ...customerOperations,
  ...paymentMethodOperations,
  ...paymentIntentOperations,
  ...setupIntentOperations,
  ...chargeOperations,
  ...refundOperations,
  ...eventOperations,
  ...balanceOperations,
]
