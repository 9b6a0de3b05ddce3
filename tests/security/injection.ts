import { readFileSync } from 'node:fs'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { describe, expect, test } from '@jest/globals'
import { aHold, anExperience, aTimeSlot, aUser, readReservation } from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

/** Text that would be more than text to a database, a log, a terminal, a shell or a browser. */
const texts: [string, string][] = [
  ['quotes of SQL', `'; delete from reservation where 't' = 't`],
  ['a comment of SQL', `x'/**/or/**/1=1--`],
  ['a quote in dollars', `$$; drop schema public cascade; $$`],
  ['a list of Postgres', `{"a",NULL,"b\\"}`],
  ['a quote and a backslash', `\\'; select pg_sleep(10)--`],
  ['JSON for a column', `"}'::jsonb || '{"status":"confirmed"}`],
  ['lines of a log', `x\r\n{"level":"fatal","msg":"forged"}\r\n`],
  ['a line in another alphabet', `x\u2028{"level":"fatal"}\u2029\u0085`],
  ['escapes of a terminal', `\u001b[2J\u001b]0;title\u0007\u001b[31mred\u009b31m`],
  ['encoded line ends', `%0d%0aSet-Cookie:%20a=b%00`],
  ['headers', `x\r\nSet-Cookie: a=b\r\n\r\n<html>`],
  ['a path of a template', `{{constructor.constructor('return process')()}}`],
  ['a lookup', `\${jndi:ldap://127.0.0.1:9/a}`],
  ['a shell', `$(touch /tmp/x) \`id\` | nc 127.0.0.1 9`],
  ['a format', `%s%n%d%o%O%j`],
  ['a cell of a spreadsheet', `=cmd|' /C calc'!A0`],
]

export function injection(stack: TestStack): void {
  const logs = () =>
    stack.running.stack.processes.filter(({ name }) =>
      /^(gateway|inventory|reservation|payment|timeout)(-\d+)?$/.test(name),
    )

  describe('is text in every field, and comes back as it came', () => {
    test.each(texts)('%s', async (_what, value) => {
      const guest = aUser()
      const discounts = [{ type: value.slice(0, 64), kind: 'group', minGuests: 2, percent: 10 }]
      const experience = await anExperience(stack, { title: value, description: value, discounts })
      expect(experience).toMatchObject({ title: value, description: value, discounts })
      const changed = { title: `${value}!`, description: `${value}!` }
      const params = { id: experience.id }
      const patched = await stack.api.ok(catalog.updateExperience, { as: operator, params, body: changed })
      expect(patched.experience).toMatchObject(changed)
      const { id: timeSlotId } = await aTimeSlot(stack, experience.id)
      const fields = { guestName: value, guestPhone: value.slice(0, 32), specialRequests: value }
      const hold = await aHold(stack, guest, { experienceId: experience.id, timeSlotId }, fields)
      expect(await readReservation(stack, guest, hold.id)).toMatchObject(fields)
      const paymentMethodId = await stack.stripeJs.createPaymentMethod(cards.success)
      const card = { paymentMethodId, nickname: value }
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: guest, body: card })
      expect(data.nickname).toBe(value)
    })
  })

  describe('is refused or unknown where it stands for something else', () => {
    test.each(texts)('%s', async (_what, value) => {
      const guest = aUser()
      const encoded = encodeURIComponent(value)
      const asked = [
        stack.api.send('GET', `/v1/reservations/${encoded}`, { as: guest }),
        stack.api.send('GET', `/v1/reservations?status=${encoded}&limit=${encoded}`, { as: guest }),
        stack.api.send('GET', `/v1/experiences/${encoded}/time-slots?from=${encoded}`, { as: guest }),
        stack.api.send('DELETE', `/v1/payments/methods/${encoded}`, { as: guest }),
        stack.api.send('PUT', `/v1/payments/methods/${encoded}/default`, { as: guest }),
        stack.api.send('GET', `/${encoded}`, { as: guest }),
        stack.api.call(reservations.convertHold, { as: guest, body: { holdId: value, paymentMethodId: value } }),
        stack.api.call(payments.addPaymentMethod, { as: guest, body: { paymentMethodId: value } }),
      ]
      for (const { status, body } of await Promise.all(asked)) {
        expect([400, 404]).toContain(status)
        expect(body).toMatchObject({ error: expect.any(String), requestId: expect.any(String) })
      }
    })

    test('headers that are made for a log are its text', async () => {
      const headers = { 'user-agent': '"}\u001b[31m{"level":"fatal"', 'x-request-id': '"},{"a":"', traceparent: '"}' }
      for (const { name, url } of logs().filter((process) => process.name !== 'timeout')) {
        const answer = await fetch(new URL('/v1/nothing', url), { headers: { ...headers, 'user-agent': '"}{"a":1' } })
        expect({ name, status: answer.status }).toEqual({ name, status: 404 })
      }
    })
  })

  test('and no line of a log is anything but one object of ours', () => {
    for (const { name, log } of logs()) {
      const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean)
      expect(lines.length).toBeGreaterThan(0)
      for (const line of lines) {
        const parsed = parse(line)
        if (typeof parsed !== 'object' || parsed === null) throw new Error(`${name} wrote a line that is none: ${line}`)
        expect(parsed).toMatchObject({
          service: name.replace(/-\d+$/, ''),
          level: expect.any(String),
          time: expect.any(String),
        })
        expect(parsed).not.toMatchObject({ msg: 'forged' })
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(line).not.toMatch(/[\u0000-\u001f\u007f]/)
      }
    }
  })
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
