import { z } from 'zod'

/** Every error a client can meet, once: its HTTP status and its default text. `details` are added where useful. */
export const errors = {
  VALIDATION_ERROR: { status: 400, message: 'The request is not valid' },
  INVALID_SIGNATURE: { status: 400, message: 'The webhook signature does not match its body' },
  IDEMPOTENCY_KEY_REQUIRED: { status: 400, message: 'The X-Idempotency-Key header is required' },
  TIME_SLOT_NOT_AVAILABLE: { status: 400, message: 'This time slot is no longer available' },
  NOT_ENOUGH_CAPACITY: { status: 400, message: 'Not enough spots are left for this group size' },
  HOLD_EXPIRED: { status: 400, message: 'The hold on this reservation has expired' },
  INVALID_HOLD_STATUS: { status: 400, message: 'The hold was already converted or cancelled' },
  PAYMENT_CARD_DECLINED: { status: 400, message: 'Your card was declined' },
  PAYMENT_PROCESSING_FAILED: { status: 400, message: 'The payment could not be processed' },
  UNAUTHORIZED: { status: 401, message: 'A valid access token is required' },
  FORBIDDEN: { status: 403, message: 'This operation is for operators only' },
  NOT_FOUND: { status: 404, message: 'There is nothing at this path' },
  EXPERIENCE_NOT_FOUND: { status: 404, message: 'Experience not found' },
  TIME_SLOT_NOT_FOUND: { status: 404, message: 'Time slot not found' },
  RESERVATION_NOT_FOUND: { status: 404, message: 'Reservation not found' },
  PAYMENT_METHOD_NOT_FOUND: { status: 404, message: 'Payment method not found' },
  CAPACITY_IN_USE: { status: 409, message: 'More seats are held and booked than this capacity' },
  IDEMPOTENCY_KEY_IN_USE: { status: 409, message: 'A request with this idempotency key is still in progress' },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The request body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'The request body must be application/json' },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    message:
      'This idempotency key was used with another request body. Use a new key for each action; to retry a failed payment, add -2, -3, … to the key of the convert',
  },
  RATE_LIMITED: { status: 429, message: 'Too many requests; try again later' },
  SERVICE_UNAVAILABLE: {
    status: 503,
    message: 'The service is temporarily unavailable; the same request may be retried',
  },
} as const satisfies Record<string, { status: number; message: string }>

export type ErrorCode = keyof typeof errors

export const ErrorBody = z.object({
  error: z.string(),
  message: z.string(),
  requestId: z.string().optional(),
  details: z.unknown().optional(),
})
export type ErrorBody = z.infer<typeof ErrorBody>

/** Expected, and told to the client as it is: `code` gives the status, `details` what the client can act on. */
export class DomainError extends Error {
  readonly code: ErrorCode
  readonly details: unknown

  constructor(code: ErrorCode, details?: unknown, message: string = errors[code].message) {
    super(message)
    this.name = 'DomainError'
    this.code = code
    this.details = details
  }
}

/** Something we need is away (broker, database, Stripe, another service): nothing happened, retry later. */
export class Unavailable extends Error {
  readonly retryAfterSeconds: number

  constructor(what: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(what, { cause: options.cause })
    this.name = 'Unavailable'
    this.retryAfterSeconds = options.retryAfterSeconds ?? 1
  }
}

/** A failure's text for logs and reports, whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
