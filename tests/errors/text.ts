import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as catalog from '@holdfast/contracts/routes/catalog'
import * as payments from '@holdfast/contracts/routes/payments'
import * as reservations from '@holdfast/contracts/routes/reservations'
import { describe, expect, test } from '@jest/globals'
import { aHold, anExperience, anOffer, aTimeSlot, aUser, holdBody, readReservation } from '../support/situation.ts'
import { operator, type TestStack } from '../support/stack.ts'
import { cards } from '../support/stripe-js.ts'

const texts: [string, string][] = [
  ['four bytes', '🚢𝕳𝖔𝖑𝖉𝖋𝖆𝖘𝖙𠜎'],
  ['a family', '👩‍👩‍👧‍👦 👍🏽 🇵🇹'],
  ['right to left', 'שלום \u202eمرحبا\u202c'],
  ['combining marks, not normalised', 'e\u0301 \u00e9 Z\u0351\u036b\u0343'],
  ['white space', '  two\u00a0spaces\tand a\r\nline \u2028 '],
  ['controls', 'bell\u0007 escape\u001b[31m delete\u007f'],
  ['SQL', "Robert'); drop table reservation; --"],
  ['SQL with a dollar', "$1 $$ \\x00 %s %% E\\'x\\'"],
  ['JSON', '","status":"confirmed","x":"'],
  ['a script', '<script>alert(1)</script>&amp;'],
  ['a log line', 'x\n{"level":"error","msg":"forged line"}'],
  ['a template', `\${7*7} {{7*7}} #{7*7} \${jndi:ldap://x}`],
  ['a path', '../../../etc/passwd'],
  ['noncharacters', '\ufffe\uffff\ufffd'],
]

/** Everything but NUL and halves of characters is text, and comes back as it came. */
export function textAsItCame(stack: TestStack): void {
  describe('text is stored and returned as it came', () => {
    test.each(texts)('%s', async (_what, text) => {
      const guest = aUser()
      const experience = await anExperience(stack, { title: text, description: text })
      expect(experience).toMatchObject({ title: text, description: text })
      const { id: timeSlotId } = await aTimeSlot(stack, experience.id)
      const offer = { experienceId: experience.id, timeSlotId }
      const fields = { guestName: text, guestPhone: [...text].slice(0, 32).join(''), specialRequests: text }
      const { id } = await aHold(stack, guest, offer, fields)
      expect(await readReservation(stack, guest, id)).toMatchObject({ ...fields, experience: { title: text } })
      const { reservations: listed } = await stack.api.ok(reservations.listReservations, { as: guest })
      expect(listed).toEqual([expect.objectContaining(fields)])
    })

    test('the longest that is taken, counted in characters and not in bytes', async () => {
      const guest = aUser()
      const fields = {
        guestName: '🚢'.repeat(200),
        guestEmail: `${'a'.repeat(64)}@${`${'b'.repeat(61)}.`.repeat(3)}io`,
        guestPhone: '☎'.repeat(32),
        specialRequests: '𠜎'.repeat(2_000),
      }
      const { id } = await aHold(stack, guest, await anOffer(stack), fields)
      expect(await readReservation(stack, guest, id)).toMatchObject(fields)
      const long = { title: 'é'.repeat(200), description: '🚢'.repeat(10_000) }
      expect(await anExperience(stack, long)).toMatchObject(long)
    })

    test('what is optional and left out, or null, is null', async () => {
      const guest = aUser()
      const nulls = { guestPhone: null, specialRequests: null }
      const left = await aHold(stack, guest)
      const given = await aHold(stack, guest, await anOffer(stack), nulls)
      for (const { id } of [left, given]) expect(await readReservation(stack, guest, id)).toMatchObject(nulls)
    })

    test.each(texts)('the nickname of a card: %s', async (_what, nickname) => {
      const body = { paymentMethodId: await stack.stripeJs.createPaymentMethod(cards.success), nickname }
      const { data } = await stack.api.ok(payments.addPaymentMethod, { as: aUser(), body })
      expect(data.nickname).toBe(nickname)
    })

    test('times with any offset are answered in UTC', async () => {
      const { id } = await anExperience(stack)
      const times = { startsAt: '2099-07-01T02:30:00+05:30', endsAt: '2099-06-30T19:00:00.5-03:00' }
      const slot = await aTimeSlot(stack, id, times)
      expect(slot).toMatchObject({ startsAt: '2099-06-30T21:00:00.000Z', endsAt: '2099-06-30T22:00:00.500Z' })
      const find = async (from: string, to: string) =>
        (await stack.api.ok(catalog.listTimeSlots, { as: operator, params: { id }, query: { from, to } })).timeSlots
      expect(await find('2099-07-01T00:00:00+03:00', '2099-06-30T21:00:00Z')).toEqual([slot])
      expect(await find('2099-07-01T00:00:01+03:00', '2099-07-02T00:00:00Z')).toEqual([])
    })
  })

  test('what guests write, and what is secret, does not stand in the logs', async () => {
    const guest = aUser()
    const marks = [randomUUID(), randomUUID(), randomUUID()] as const
    const [guestName, specialRequests, mailbox] = marks
    const fields = { guestName, specialRequests, guestEmail: `${mailbox}@example.com` }
    const { id: holdId } = await aHold(stack, guest, undefined, fields)
    const { paymentClientSecret } = await stack.api.ok(reservations.convertHold, { as: guest, body: { holdId } })
    const wrong = { ...holdBody(await anOffer(stack)), ...fields, numberOfGuests: 0 }
    await stack.api.fails(reservations.createHold, { as: guest, body: wrong })
    const secrets = [...marks, String(paymentClientSecret), await stack.token(guest)]
    const ours = stack.running.stack.processes.filter(({ name }) => /gateway|reservation|inventory|payment/.test(name))
    expect(ours.length).toBeGreaterThanOrEqual(4)
    for (const { name, log } of ours) {
      const text = readFileSync(log, 'utf8')
      for (const secret of secrets) if (text.includes(secret)) throw new Error(`${name} logs ${secret.slice(0, 12)}…`)
    }
  })
}
