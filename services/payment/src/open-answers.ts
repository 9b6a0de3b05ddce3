import type { OpenPayment } from '@holdfast/contracts/messages/payment'
import type { Queries } from '@holdfast/db/database'
import type { z } from 'zod'
import { captureOf, type Intent, type Payment } from './payment.ts'
import { intentsOf, recordAnswer } from './store.ts'
import type { Problem } from './stripe-problem.ts'

/** The answers to an attempt. They are kept without client secrets, which stay with their intents. */

export type Reply = z.infer<typeof OpenPayment.reply>
type Stored = Reply & { paymentIntentId?: string }

export function openReply(payment: Payment, intent: Intent): Reply {
  return {
    outcome: 'open',
    paymentIntentId: intent.id,
    clientSecret: intent.clientSecret ?? '',
    stripeStatus: intent.status,
    requiresAction: intent.status === 'requires_action',
    revision: payment.revision,
  }
}

export function capturedReply(payment: Payment, intent: Intent): Reply {
  const capture = captureOf(payment, intent)
  if (!capture) throw new Error(`${intent.id} has captured nothing`)
  return { outcome: 'captured', clientSecret: intent.clientSecret ?? '', capture }
}

/** What a refusal by Stripe means to whoever wants to pay. */
export function refusedReply(payment: Payment, intent: Intent | undefined, problem: Problem): Reply {
  const { kind, code, param, message } = problem
  if (kind === 'declined' && intent) {
    const declineCode = code ?? 'generic_decline'
    return { outcome: 'declined', paymentIntentId: intent.id, declineCode, message, revision: payment.revision }
  }
  // The card is gone at Stripe: removed there, not here.
  if (kind === 'not_found' && param === 'payment_method') return { outcome: 'method_not_found' }
  return { outcome: 'failed', reason: code ?? 'refused', message }
}

export async function keepAnswer(tx: Queries, payment: Payment, attempt: number, reply: Reply): Promise<Reply> {
  const { clientSecret: _, ...stored } = { clientSecret: '', ...reply }
  await recordAnswer(tx, payment, attempt, stored)
  return reply
}

export async function keptAnswer(tx: Queries, payment: Payment, stored: unknown): Promise<Reply> {
  const reply = stored as Stored
  if (reply.outcome !== 'open' && reply.outcome !== 'captured') return reply
  const id = reply.outcome === 'open' ? reply.paymentIntentId : reply.capture.paymentIntentId
  const intent = (await intentsOf(tx, payment)).find((candidate) => candidate.id === id)
  return { ...reply, clientSecret: intent?.clientSecret ?? '' }
}
