import { describe } from '@jest/globals'
import { databases } from './security/databases.ts'
import { headers } from './security/headers.ts'
import { hoarder, mostHolds } from './security/hoarder.ts'
import { hostileBodies } from './security/hostile-bodies.ts'
import { injection } from './security/injection.ts'
import { logs } from './security/logs.ts'
import { smuggling } from './security/smuggling.ts'
import { tokens } from './security/tokens.ts'
import { stackOfThisFile } from './support/stack.ts'

/** Whoever means harm: with tokens, bytes, values, numbers. Everything is logged, so that what must not be would show. */
const loud = { LOG_LEVEL: 'trace' }
const stack = stackOfThisFile(
  {
    gateway: loud,
    inventory: loud,
    reservation: { ...loud, MAX_ACTIVE_HOLDS_PER_SLOT: String(mostHolds) },
    payment: loud,
    timeout: loud,
  },
  { reservation: 2 },
)

describe('tokens', () => tokens(stack))
describe('smuggled requests', () => smuggling(stack))
describe('hostile bodies', () => hostileBodies(stack))
describe('text that would be more', () => injection(stack))
describe('a hoarder', () => hoarder(stack))
describe('databases', () => databases(stack))
describe('headers', () => headers(stack))
describe('the logs', () => logs(stack))
