import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import type { Fault, Injury } from './fault.ts'
import type { Stage } from './stage.ts'

/** What Stripe does at its worst: to its webhooks, and to whoever calls it. */
const webhookModes: Record<string, (random: Random) => Record<string, unknown>> = {
  'doubled-and-shuffled': (random) => ({ duplicate: random.between(1, 4), shuffle: true }),
  late: (random) => ({ delayMs: random.between(1_000, 8_000) }),
  lost: () => ({ drop: ['*'] }),
  'held-back': () => ({ hold: true, shuffle: true }),
}

const operations = ['create', 'confirm', 'cancel', 'retrieve'].map((name) => `payment_intents.${name}`)
const troubles: Record<string, (random: Random) => { delayMs?: number; times: number }> = {
  error_500: (random) => ({ times: random.between(1, 8) }),
  rate_limit: (random) => ({ times: random.between(1, 8) }),
  // stripe-node retries a cut connection once by itself.
  reset_before_effect: (random) => ({ times: random.between(2, 8) }),
  reset_after_effect: (random) => ({ times: random.between(2, 8) }),
  // Beyond the time that payment gives Stripe to answer, sometimes.
  delay: (random) => ({ times: random.between(2, 8), delayMs: random.between(500, 6_000) }),
}

export const stripeFaults: readonly Fault[] = [
  ...Object.entries(webhookModes).map(
    ([name, mode]): Fault => ({
      name: `webhooks:${name}`,
      lasts: [4, 10],
      inject: async (stage, random) => {
        const chosen = mode(random)
        await insist(() => stage.emulator.webhooks(everyEvent(chosen)))
        return asBefore(stage, JSON.stringify(chosen))
      },
    }),
  ),
  {
    // Longer than seats wait for it (CLOSE_DEADLINE_SECONDS): payments can be made whose seats are gone.
    name: 'stripe-api:cancels-nothing',
    lasts: [25, 35],
    inject: async (stage) => {
      const fault = { operation: 'payment_intents.cancel', fault: 'error_500', times: 10_000 }
      await insist(() => stage.emulator.fault(fault))
      return asBefore(stage, fault.operation)
    },
  },
  ...Object.entries(troubles).map(
    ([fault, trouble]): Fault => ({
      name: `stripe-api:${fault}`,
      lasts: [3, 8],
      inject: async (stage, random) => {
        // Refunds are few, so they have trouble whenever anything has.
        const operation = random.pick(operations)
        const { times, ...rest } = trouble(random)
        for (const each of [operation, 'refunds.create'])
          await insist(() => stage.emulator.fault({ operation: each, fault, times, ...rest }))
        return asBefore(stage, `${operation} ${times} times`)
      },
    }),
  ),
]

const types = ['succeeded', 'payment_failed', 'canceled', 'requires_action', 'processing', 'created']
const events = [
  ...types.map((type) => `payment_intent.${type}`),
  ...['charge.succeeded', 'charge.failed', 'charge.refunded', 'charge.updated'],
  ...['refund.created', 'refund.updated', 'refund.failed'],
]

function everyEvent(mode: Record<string, unknown>): Record<string, unknown> {
  return 'drop' in mode ? { ...mode, drop: events } : mode
}

function asBefore(stage: Stage, on: string): Injury {
  return { on, heal: () => insist(() => stage.emulator.reset()), hasHealed: async () => true }
}

/** Stripe itself may be the one that is just being started again. */
async function insist(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries === 40) throw error
      await sleep(250)
    }
  }
}
