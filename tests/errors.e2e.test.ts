import { describe } from '@jest/globals'
import { badInput } from './errors/bad-input.ts'
import { badValues } from './errors/bad-values.ts'
import { everyErrorCode } from './errors/every-code.ts'
import { idempotency } from './errors/idempotency.ts'
import { textAsItCame } from './errors/text.ts'
import { stackOfThisFile } from './support/stack.ts'

/** What can go wrong between a client and the API, and that it is told as documented. One stack for all of it. */
const stack = stackOfThisFile(
  {
    // A Stripe that is slow for a test must not be taken for one that is away.
    payment: { STRIPE_TIMEOUT_SECONDS: '4' },
    // A second door, which soon has enough of one user and keeps its documentation to itself.
    'gateway-2': { RATE_LIMIT_PER_USER: '3', DOCS_ENABLED: 'false' },
  },
  { gateway: 2 },
)

describe('every code', () => everyErrorCode(stack))
describe('idempotency', () => idempotency(stack))
describe('bad input', () => badInput(stack))
describe('bad values', () => badValues(stack))
describe('text', () => textAsItCame(stack))
