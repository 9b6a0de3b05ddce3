import { DomainError, type ErrorCode, Unavailable } from '@holdfast/contracts/errors'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { answerOf } from './idempotency.ts'

/** The one place where what was thrown becomes what a client is told. */

const fastifyCodes: Partial<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_EMPTY_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'VALIDATION_ERROR',
  FST_ERR_CTP_INVALID_JSON_BODY: 'VALIDATION_ERROR',
  FST_ERR_BAD_URL: 'VALIDATION_ERROR',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
}

export function handleError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const translated = translate(error)
  if (translated instanceof DomainError) return sendError(request, reply, translated)
  if (translated instanceof Unavailable) {
    request.log.warn({ err: error }, 'unavailable')
    reply.header('retry-after', translated.retryAfterSeconds)
    return sendError(request, reply, new DomainError('SERVICE_UNAVAILABLE'))
  }
  request.log.error({ err: error }, 'unexpected error')
  return reply
    .status(500)
    .send({ error: 'Internal server error', message: 'An unexpected error occurred', requestId: request.id })
}

export function handleNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendError(request, reply, new DomainError('NOT_FOUND'))
}

function translate(error: FastifyError): unknown {
  if (error instanceof DomainError || error instanceof Unavailable) return error
  if (hasZodFastifySchemaValidationErrors(error))
    return new DomainError(
      'VALIDATION_ERROR',
      error.validation.map((fault) => ({
        path: [error.validationContext, ...fault.instancePath.split('/').filter(Boolean)].join('.'),
        message: fault.message ?? 'is not valid',
      })),
    )
  const code = fastifyCodes[error.code]
  if (code)
    return new DomainError(code, code === 'VALIDATION_ERROR' ? [{ path: '', message: error.message }] : undefined)
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new DomainError('VALIDATION_ERROR', [{ path: '', message: error.message }])
  return error
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: DomainError): FastifyReply {
  if (error.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer error="invalid_token"')
  if (error.code === 'IDEMPOTENCY_KEY_IN_USE') reply.header('retry-after', 1)
  const { status, body } = answerOf(error, request.id)
  return reply.status(status).send(body)
}
