import { expect, test } from '@jest/globals'
import { inContext } from './context.ts'
import { createLogger } from './logger.ts'

function linesOf(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = []
  write(createLogger('test', { LOG_LEVEL: 'info' }, { write: (line) => void lines.push(line) }))
  return lines.map((line) => JSON.parse(line))
}

test('a log line never holds a secret, however deep it is', () => {
  const card = { card: { number: '4242424242424242', cvc: '123', brand: 'visa' } }
  const error = Object.assign(new Error('declined'), { headers: { authorization: 'Bearer abc' }, details: card })
  const [line] = linesOf((logger) =>
    logger.info({
      clientSecret: 'pi_secret',
      body: [{ deep: { deeper: { guestEmail: 'a@b.c', guests: 2 } } }],
      err: error,
    }),
  )
  const text = JSON.stringify(line)
  for (const secret of ['4242424242424242', 'pi_secret', 'a@b.c', 'Bearer abc', '"123"'])
    expect(text).not.toContain(secret)
  expect(line).toMatchObject({
    clientSecret: '[redacted]',
    body: [{ deep: { deeper: { guestEmail: '[redacted]', guests: 2 } } }],
    err: { type: 'Error', message: 'declined', stack: expect.any(String), details: { card: { brand: 'visa' } } },
  })
})

test('nor the row that a database has refused, or could not be read', () => {
  const row = 'Failing row contains (1, Alice Example, alice@example.com).'
  const refused = Object.assign(new Error('violates check constraint "seats"'), {
    code: '23514',
    detail: row,
    where: row,
  })
  const unreadable = Object.assign(new Error('a row is not as it should be'), {
    row: { guest_name: 'Alice Example' },
    values: ['alice@example.com'],
  })
  const [line, other] = linesOf((logger) => {
    logger.error({ err: refused })
    logger.error({
      err: new Error('no hold', { cause: unreadable }),
      request: { specialRequests: 'for Alice Example' },
    })
  })
  expect(JSON.stringify([line, other])).not.toMatch(/alice/i)
  expect(line).toMatchObject({ err: { code: '23514', message: 'violates check constraint "seats"' } })
})

test('a log line says which trace, cause and reservation it belongs to', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const [line] = linesOf((logger) =>
    inContext({ traceparent, causationId: 'message-1', reservationId: 'r-1' }, () => logger.info('hello')),
  )
  expect(line).toMatchObject({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    causationId: 'message-1',
    reservationId: 'r-1',
    service: 'test',
    level: 'info',
  })
})
