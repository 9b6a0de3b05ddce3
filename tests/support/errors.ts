import { expect } from '@jest/globals'
import type { Answer } from './api.ts'

/** The table of errors as the API promises it, written down a second time: a status that changes by mistake is noticed. */
const statuses = {
  INVALID_SIGNATURE: 400,
  VALIDATION_ERROR: 400,
  IDEMPOTENCY_KEY_REQUIRED: 400,
  TIME_SLOT_NOT_AVAILABLE: 400,
  NOT_ENOUGH_CAPACITY: 400,
  HOLD_EXPIRED: 400,
  INVALID_HOLD_STATUS: 400,
  PAYMENT_CARD_DECLINED: 400,
  PAYMENT_PROCESSING_FAILED: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  TIME_SLOT_NOT_FOUND: 404,
  RESERVATION_NOT_FOUND: 404,
  PAYMENT_METHOD_NOT_FOUND: 404,
  EXPERIENCE_NOT_FOUND: 404,
  IDEMPOTENCY_KEY_IN_USE: 409,
  CAPACITY_IN_USE: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_KEY_REUSED: 422,
  RATE_LIMITED: 429,
  SERVICE_UNAVAILABLE: 503,
} as const

/** The texts that the flow document gives. */
const texts: Partial<Record<keyof typeof statuses, string>> = {
  TIME_SLOT_NOT_AVAILABLE: 'This time slot is no longer available',
  HOLD_EXPIRED: 'The hold on this reservation has expired',
  PAYMENT_CARD_DECLINED: 'Your card was declined',
  RESERVATION_NOT_FOUND: 'Reservation not found',
}

const withRetryAfter = ['IDEMPOTENCY_KEY_IN_USE', 'RATE_LIMITED', 'SERVICE_UNAVAILABLE']

/** The whole answer: status, headers, and a body of exactly these fields. `details` may hold jest's matchers. */
export function expectError(answer: Answer, code: keyof typeof statuses, details?: unknown): void {
  const { body, headers } = answer
  expect({ status: answer.status, body }).toEqual({
    status: statuses[code],
    body: {
      error: code,
      message: texts[code] ?? expect.stringMatching(/\S/),
      requestId: headers.get('x-request-id'),
      ...(details !== undefined && { details }),
    },
  })
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(headers.get('ratelimit-limit')).toMatch(/^\d+$/)
  expect(headers.get('www-authenticate')).toBe(code === 'UNAUTHORIZED' ? 'Bearer error="invalid_token"' : null)
  if (withRetryAfter.includes(code)) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  else expect(headers.get('retry-after')).toBeNull()
}

/** A validation error that names these faults by their paths, each with a message. */
export function expectInvalid(answer: Answer, ...paths: string[]): void {
  expectError(answer, 'VALIDATION_ERROR', expect.anything())
  const { details } = answer.body as { details: { path: string; message: string }[] }
  for (const fault of details) expect(fault).toEqual({ path: expect.any(String), message: expect.stringMatching(/\S/) })
  expect([...new Set(details.map(({ path }) => path))].sort()).toEqual([...paths].sort())
}
