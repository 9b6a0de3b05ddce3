import type { Route } from '../route.ts'
import * as catalog from './catalog.ts'
import * as operations from './operations.ts'
import * as payments from './payments.ts'
import * as reservations from './reservations.ts'

const isRoute = (value: unknown): value is Route => typeof value === 'object' && value !== null && 'url' in value

/** Every route of the public API, in the order in which the documentation shows them. */
export const allRoutes: readonly Route[] = [reservations, payments, catalog, operations].flatMap((module) =>
  Object.values(module).filter(isRoute),
)
