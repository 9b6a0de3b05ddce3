import { expect, test } from '@jest/globals'
import { z } from 'zod'
import { typeOf } from '../message.ts'
import { allMessages } from './all.ts'

/** A message's shape is a promise to services that may still run another release: change it only with a new version. */
test.each(allMessages().map((message) => [typeOf(message), message] as const))(
  '%s has the shape it had when its version was declared',
  (_type, message) => {
    const shape = { to: message.to, kind: message.kind, body: z.toJSONSchema(message.body) }
    expect(
      'reply' in message ? { ...shape, reply: z.toJSONSchema(message.reply as z.ZodType) } : shape,
    ).toMatchSnapshot()
  },
)
