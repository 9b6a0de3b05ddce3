import { randomUUID } from 'node:crypto'
import type { Route } from '@holdfast/contracts/route'
import type { z } from 'zod'

/** The API as a client sees it: a route of the contract, called over HTTP at the gateway. */

export interface CallOptions<R extends Route> {
  readonly as?: string
  readonly params?: Input<R['params']>
  readonly query?: Record<string, string | number>
  readonly body?: unknown
  readonly key?: string
  readonly headers?: Record<string, string>
}
type Input<S> = NonNullable<S> extends z.ZodType ? z.input<NonNullable<S>> : undefined

/** A request as no contract foresees it. */
export interface RawOptions {
  readonly as?: string | undefined
  readonly body?: NonNullable<RequestInit['body']>
  readonly headers?: Record<string, string>
}

export interface Answer<Body = unknown> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

/** What an error answer holds. */
export interface ErrorAnswer {
  readonly error: string
  readonly message: string
  readonly requestId?: string
  readonly details?: Record<string, unknown>
}

export interface Api {
  /** Whatever comes back. A key is made up where the route needs one and none is given. */
  call<R extends Route>(route: R, options?: CallOptions<R>): Promise<Answer>
  /** Expects success, and a body with exactly the documented fields. */
  ok<R extends Route>(route: R, options?: CallOptions<R>): Promise<z.output<R['reply']>>
  /** Expects an error. */
  fails<R extends Route>(route: R, options?: CallOptions<R>): Promise<Answer<ErrorAnswer>>
  /** Sends what it is told, byte for byte, and adds a token at most. A body that is no JSON is answered as text. */
  send(method: string, path: string, options?: RawOptions): Promise<Answer>
}

/** `token` turns a user's name into an access token. */
export function apiAt(gatewayUrl: string, token: (user: string) => Promise<string>): Api {
  async function call<R extends Route>(route: R, options: CallOptions<R> = {}): Promise<Answer> {
    const { as, body, key, headers } = options
    const wantsKey = route.idempotency === 'required'
    const idempotencyKey = key ?? (wantsKey ? randomUUID() : undefined)
    const response = await fetch(urlOf(gatewayUrl, route, options), {
      method: route.method,
      headers: {
        ...(as !== undefined && { authorization: `Bearer ${await token(as)}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(idempotencyKey !== undefined && { 'x-idempotency-key': idempotencyKey }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }

  async function send(method: string, path: string, { as, body, headers }: RawOptions = {}): Promise<Answer> {
    const response = await fetch(new URL(path, gatewayUrl), {
      method,
      headers: { ...(as !== undefined && { authorization: `Bearer ${await token(as)}` }), ...headers },
      body: body ?? null,
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== ''
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  return {
    call,
    send,
    ok: async (route, options) => {
      const answer = await call(route, options)
      if (answer.status !== (route.status ?? 200))
        throw new Error(`${route.method} ${route.url}: ${answer.status} ${JSON.stringify(answer.body)}`)
      return exactly(route, answer.body)
    },
    fails: async (route, options) => {
      const answer = await call(route, options)
      if (answer.status < 400) throw new Error(`${route.method} ${route.url} went well: ${JSON.stringify(answer.body)}`)
      return answer as Answer<ErrorAnswer>
    },
  }
}

/** Every documented field is there and right, and no other is. */
function exactly<R extends Route>(route: R, body: unknown): z.output<R['reply']> {
  const parsed = route.reply.parse(body)
  const extra = fieldsOf(body).filter((field) => !fieldsOf(parsed).includes(field))
  if (extra.length > 0) throw new Error(`${route.method} ${route.url} answers undocumented fields: ${extra.join(', ')}`)
  return parsed as z.output<R['reply']>
}

function fieldsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([key, item]) => fieldsOf(item, `${path}.${key}`))
}

function urlOf<R extends Route>(base: string, route: R, { params, query }: CallOptions<R>): URL {
  const given = (params ?? {}) as Record<string, string>
  const path = route.url.replace(/:(\w+)/g, (_whole, name: string) => encodeURIComponent(given[name] ?? ''))
  const url = new URL(path, base)
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, String(value))
  return url
}
