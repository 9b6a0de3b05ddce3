import type { ErrorCode } from '@holdfast/contracts/errors'
import type { Route } from '@holdfast/contracts/route'

/** Every error that a route can answer: its own, and those that follow from what it takes. Pure. */
export function codesOf(route: Route): ErrorCode[] {
  const isOpen = route.auth === 'none'
  const takesKey = route.method === 'POST' && !isOpen
  const conditions: readonly (readonly [boolean, readonly ErrorCode[]])[] = [
    [Boolean(route.params ?? route.query ?? route.body) || takesKey, ['VALIDATION_ERROR']],
    [route.idempotency === 'required', ['IDEMPOTENCY_KEY_REQUIRED']],
    [!isOpen, ['UNAUTHORIZED']],
    [route.auth === 'operator', ['FORBIDDEN']],
    [takesKey, ['IDEMPOTENCY_KEY_IN_USE', 'IDEMPOTENCY_KEY_REUSED']],
    [Boolean(route.body) || isOpen, ['PAYLOAD_TOO_LARGE']],
    [Boolean(route.body), ['UNSUPPORTED_MEDIA_TYPE']],
    [true, ['RATE_LIMITED', 'SERVICE_UNAVAILABLE']],
  ]
  const common = conditions.filter(([applies]) => applies).flatMap(([, codes]) => codes)
  return [...new Set([...(route.errors ?? []), ...common])]
}
