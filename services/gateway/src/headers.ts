import type { IncomingHttpHeaders } from 'node:http'

/** Which headers pass the door, in both directions. Pure. */

export type Headers = Record<string, string | string[] | undefined>

/** What the gateway itself has established about a request. */
export interface Passage {
  readonly requestId: string
  /** Ours, a child of the client's if that one was valid. */
  readonly traceparent: string
  readonly address: string
  readonly protocol: string
  readonly host: string
}

/**
 * A list of what passes rather than of what does not: whatever a service may one day trust (`x-user-id`,
 * `x-amzn-oidc-identity`, …) can't be sent from outside. Encodings are not on it, because services answer plain.
 */
const passing = [
  'authorization',
  'content-type',
  'accept',
  'accept-language',
  'user-agent',
  'x-idempotency-key',
  'idempotency-key',
  'stripe-signature',
] as const

export function requestHeaders(given: IncomingHttpHeaders, passage: Passage): Record<string, string> {
  const dropped = namedByConnection(given.connection)
  const headers: Record<string, string> = {}
  for (const name of passing) {
    const value = given[name]
    if (typeof value === 'string' && !dropped.has(name)) headers[name] = value
  }
  // The vendors' part of a trace belongs to its `traceparent`: without a valid one it must not travel on.
  const { traceparent, tracestate } = given
  if (typeof tracestate === 'string' && traceOf(traceparent) === traceOf(passage.traceparent))
    headers.tracestate = tracestate
  headers.traceparent = passage.traceparent
  headers['x-request-id'] = passage.requestId
  headers['x-forwarded-for'] = passage.address
  headers['x-forwarded-proto'] = passage.protocol
  headers['x-forwarded-host'] = passage.host
  return headers
}

/** Between two neighbours only (RFC 9110, 7.6.1). */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** The gateway answers for these itself; a service's own would contradict them. */
const gatewaysOwn = ['date', 'server', 'x-powered-by', 'x-request-id', 'strict-transport-security']
const notPassedBack = new Set([...hopByHop, ...gatewaysOwn])

export function responseHeaders(given: Headers): Record<string, string | string[]> {
  const dropped = namedByConnection(given.connection)
  const headers: Record<string, string | string[]> = {}
  for (const name in given) {
    const value = given[name]
    if (value === undefined || notPassedBack.has(name) || dropped.has(name)) continue
    if (name.startsWith('access-control-') || name.startsWith('ratelimit-')) continue
    headers[name] = value
  }
  return headers
}

/** A request target in its absolute form (`GET http://host/path`) names a host: services are sent the path alone. */
export function pathOf(target: string): string {
  if (target.startsWith('/')) return target
  const path = /^[a-z]+:\/\/[^/?#]*([^#]*)/i.exec(target)?.[1] ?? ''
  return path.startsWith('/') ? path : `/${path}`
}

const none: ReadonlySet<string> = new Set()
const usual = new Set(['keep-alive', 'close'])

function namedByConnection(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined || (typeof connection === 'string' && usual.has(connection))) return none
  const names = [connection].flat().flatMap((value) => value.split(','))
  return new Set(names.map((name) => name.trim().toLowerCase()))
}

const traceOf = (traceparent: unknown) => (typeof traceparent === 'string' ? traceparent.slice(3, 35) : undefined)
