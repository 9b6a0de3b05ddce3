import type { z } from 'zod'
import type { ErrorCode } from './errors.ts'

/**
 * A route once: the service serves it, the gateway forwards it, OpenAPI prints it, tests call it typed.
 */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  readonly service: 'inventory' | 'reservation' | 'payment'
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** In fastify's form: `/v1/reservations/:id`. */
  readonly url: string
  readonly summary: string
  /** `user`: any valid access token; `operator`: one of the Cognito group `operators`; `none`: open. */
  readonly auth: 'user' | 'operator' | 'none'
  /** Whether the idempotency key must be there. Every other POST honours one that is. */
  readonly idempotency?: 'required'
  /** The same request once more does no harm and answers alike, key or no key. True of every GET and PUT. */
  readonly repeatable?: true
  readonly params?: Params
  readonly query?: Query
  readonly body?: Body
  readonly status?: 200 | 201
  readonly reply: Reply
  /** What can go wrong beyond what any route can answer (validation, authentication, limits, unavailability). */
  readonly errors?: readonly ErrorCode[]
}

export function defineRoute<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
  Reply extends z.ZodType = z.ZodType,
>(route: Route<Params, Query, Body, Reply>): Route<Params, Query, Body, Reply> {
  return route
}

export const idempotencyHeaders = ['x-idempotency-key', 'idempotency-key'] as const
