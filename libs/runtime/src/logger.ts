import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { currentContext } from './context.ts'

export type Logger = PinoLogger

/** Never in a log, at any of the depths we log objects at. */
const secrets = [
  'authorization',
  'cookie',
  'clientSecret',
  'client_secret',
  'paymentClientSecret',
  'guestEmail',
  'guestName',
  'guestPhone',
  'email',
  'number',
  'cvc',
  'password',
  'token',
]
const paths = secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`])

/** JSON lines on standard output. Every line says which trace, cause and reservation it belongs to. */
export function createLogger(
  service: string,
  settings: { LOG_LEVEL: string; SERVICE_INSTANCE?: string | undefined },
  destination?: DestinationStream,
): Logger {
  const options = {
    level: settings.LOG_LEVEL,
    base: { service, instance: settings.SERVICE_INSTANCE ?? service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths, censor: '[redacted]' },
    mixin: () => {
      const context = currentContext()
      if (!context) return {}
      const { traceparent, causationId, reservationId } = context
      return { traceId: traceparent.split('-')[1], causationId, ...(reservationId !== undefined && { reservationId }) }
    },
  }
  return destination ? pino(options, destination) : pino(options)
}
