import { expect, test } from '@jest/globals'
import { judgeIntent } from './stripe-side.ts'

const now = new Date('2026-11-23T12:00:00Z')
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1_000)
const reservationId = '5b0c2c52-2f3a-5b5e-8a43-6f1f6f0a9d01'

test.each([
  ['paid at Stripe a moment ago', ['moving: stripe-paid'], { created: 5 }, 0, undefined],
  ['paid at Stripe, and not known here', ['drift: stripe-paid'], { created: 700 }, 0, undefined],
  ['paid at Stripe, and open here', ['drift: stripe-paid'], { created: 700 }, 0, { status: 'processing' }],
  ['paid with another amount than is on record', ['drift: stripe-amount'], { created: 5 }, 0, { amount: 1 }],
  ['given back at Stripe, and not here', ['drift: stripe-refunds'], { created: 5 }, 700, {}],
  ['the same on both sides', [], { created: 700 }, 0, {}],
])('an intent %s', (_what, expected, { created }, returned, recorded) => {
  const intent = {
    id: 'pi_1',
    status: 'succeeded',
    amount_received: 700,
    currency: 'usd',
    created: ago(created).getTime() / 1_000,
    metadata: { reservationId },
  }
  const { status = 'succeeded', amount = 700 } = (recorded ?? {}) as { status?: string; amount?: number }
  const row = recorded && { id: 'pi_1', status, amountReceivedMinor: amount, returnedMinor: 0 }
  expect(judgeIntent(intent, returned, row, now).map(({ standing, kind }) => `${standing}: ${kind}`)).toEqual(expected)
})
