import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { errors } from '@holdfast/contracts/errors'
import { handleError } from '@holdfast/http/errors'
import type { Logger } from '@holdfast/runtime/logger'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from './rate-limit.ts'

/** What comes in so broken that no route sees it is still answered, counted and logged like anything else. */
export interface Malformed {
  /** A path that can't be decoded, or a parameter of unreasonable length. */
  answerBadPath(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void
  /** Bytes that Node's parser refuses: two lengths, a line too long, no HTTP at all. There is no request, only a socket. */
  answerBadBytes(error: NodeJS.ErrnoException, socket: Socket): void
}

export function malformed(logger: Logger, limits: () => Limits): Malformed {
  return {
    answerBadPath: (error, request, reply) => {
      // No hook has run for it: neither ours nor helmet's.
      reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff' })
      const answer = async () => {
        await limits().ofAddress(request, reply)
        handleError(error, request, reply)
        request.log.info({ method: request.method, route: 'unknown', status: reply.statusCode }, 'request')
      }
      answer().catch((failure: unknown) => request.log.error({ err: failure }, 'a bad path was not answered'))
    },
    answerBadBytes: (error, socket) => {
      if (!mayAnswer(error, socket)) {
        socket.destroy()
        return
      }
      const { status, phrase } = statusOf(error)
      const requestId = randomUUID()
      const answer = async () => {
        const headers = await limits().ofSocket(socket.remoteAddress ?? '')
        socket.end(answerText(`${status} ${phrase}`, requestId, headers))
        logger.info({ requestId, route: 'unknown', status, code: error.code }, 'request')
      }
      answer().catch(() => socket.destroy())
    },
  }
}

/** Not when the peer is gone, nor in the middle of another answer; the field is the one that Node's own handler reads. */
function mayAnswer(error: NodeJS.ErrnoException, socket: Socket): boolean {
  const { _httpMessage: answering } = socket as Socket & { _httpMessage?: { headersSent: boolean } | null }
  return error.code !== 'ECONNRESET' && socket.writable && !answering?.headersSent
}

function statusOf({ code }: NodeJS.ErrnoException): { status: number; phrase: string } {
  if (code === 'HPE_HEADER_OVERFLOW') return { status: 431, phrase: 'Request Header Fields Too Large' }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { status: 408, phrase: 'Request Timeout' }
  return { status: errors.VALIDATION_ERROR.status, phrase: 'Bad Request' }
}

function answerText(statusLine: string, requestId: string, limitHeaders: Record<string, number>): string {
  const body = JSON.stringify({ error: 'VALIDATION_ERROR', message: errors.VALIDATION_ERROR.message, requestId })
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    ...limitHeaders,
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${statusLine}`, ...lines, '', body].join('\r\n')
}
