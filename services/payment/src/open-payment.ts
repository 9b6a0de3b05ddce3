import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import { OpenPayment } from '@holdfast/contracts/messages/payment'
import { answer } from '@holdfast/messaging/handler'
import { currentContext } from '@holdfast/runtime/context'
import type { z } from 'zod'
import type { Customers } from './customers.ts'
import type { Lanes } from './lanes.ts'
import { findCard } from './method-store.ts'
import { capturedReply, keepAnswer, keptAnswer, openReply, type Reply, refusedReply } from './open-answers.ts'
import { isCaptured, nextStep, type Payment, type SeenIntent, type Wish } from './payment.ts'
import { recordSeen } from './record-intent.ts'
import { answerOnRecord, insertPaymentIfNew, intentsOf, lockPayment } from './store.ts'
import type { StripeDoor } from './stripe.ts'
import {
  type Call,
  confirmOf,
  type Outcome,
  pendingCallOf,
  type StripeCalls,
  type Tx,
  writeCall,
} from './stripe-calls.ts'
import { isCustomerGone, orUnavailable } from './stripe-problem.ts'
import type { Work } from './work.ts'

type Ask = z.infer<typeof OpenPayment.body>

/** Within the patience of whoever asks. What is under way goes on, and is found by the next try. */
const deadlineMs = 3_300
/** Look, create, update, confirm, and each again because something else happened meanwhile. */
const stepLimit = 10

/** Gets an intent for an attempt: the one still open, or a new one. With a saved card it is confirmed at once. */
export function openPayment(parts: { stripe: StripeDoor; calls: StripeCalls; customers: Customers; lanes: Lanes }) {
  const { calls, stripe, lanes } = parts

  async function open(ask: Ask): Promise<Reply> {
    const begun = await calls.transact((tx) => begin(tx, ask))
    if ('reply' in begun) return begun.reply
    const wish = await wishOf(ask, begun.stripeMethodId)
    let fresh: SeenIntent | undefined
    for (let steps = 0; steps < stepLimit; steps += 1) {
      const next = await calls.transact((tx) => decide(tx, ask, wish, fresh))
      if ('reply' in next) return next.reply
      if ('look' in next) {
        fresh = await orUnavailable(stripe.retrieveIntent(next.look))
        await recordSeen(calls, fresh)
        continue
      }
      const outcome = await calls.perform(next.call)
      // Every call on an intent answers with it as it then is.
      fresh = outcome.ok ? (outcome.result as SeenIntent | undefined) : undefined
      const reply = next.isOurs && (await calls.transact((tx) => replyTo(tx, ask, next.call.work, outcome)))
      if (reply) return reply
    }
    throw new Unavailable('the payment keeps changing')
  }

  async function wishOf(ask: Ask, stripeMethodId: string | null): Promise<Wish> {
    const savesCard = ask.savePaymentMethod && stripeMethodId === null
    const customer = savesCard || stripeMethodId !== null ? await parts.customers.ensure(ask.userId) : null
    return { stripeMethodId, customer, savesCard }
  }

  return answer(OpenPayment, (ask) => {
    const deadline = Date.now() + deadlineMs
    const work = lanes(ask.reservationId, () => {
      if (Date.now() > deadline) throw new Unavailable('others came first')
      return open(ask)
    })
    return inTime(work)
  })
}

type Begun = { readonly reply: Reply } | { readonly stripeMethodId: string | null }

/** What is known before any call: the answer on record, and whether the card is theirs. */
async function begin(tx: Tx, ask: Ask): Promise<Begun> {
  const { reservationId, userId, amountMinor, currency } = ask
  await insertPaymentIfNew(tx, { reservationId, userId, amountMinor, currency, state: 'open' })
  const payment = await mustLock(tx, ask)
  const onRecord = await answerOnRecord(tx, payment, ask.attempt)
  if (onRecord) return { reply: await keptAnswer(tx, payment, onRecord) }
  if (ask.paymentMethodId === null) return { stripeMethodId: null }
  const card = await findCard(tx, userId, ask.paymentMethodId)
  if (card) return { stripeMethodId: card.stripeMethodId }
  // Removed since: what is on its way to being paid, or is paid, is answered as what it is.
  const confirm = await confirmOf(tx, reservationId, ask.attempt)
  if (confirm) return { stripeMethodId: confirm.stripeMethodId }
  const captured = (await intentsOf(tx, payment)).find(isCaptured)
  if (captured) return { reply: await keepAnswer(tx, payment, ask.attempt, capturedReply(payment, captured)) }
  return { reply: await keepAnswer(tx, payment, ask.attempt, { outcome: 'method_not_found' }) }
}

type Next = { readonly reply: Reply } | { readonly look: string } | { readonly call: Call; readonly isOurs: boolean }

/** Decides under the payment's lock, and writes down what it decided before anything is done. */
async function decide(tx: Tx, ask: Ask, wish: Wish, fresh: SeenIntent | undefined): Promise<Next> {
  const payment = await mustLock(tx, ask)
  const { reservationId, attempt, amountMinor, currency, description } = ask
  const { customer, savesCard } = wish
  // Whatever is under way is settled first: who knows what it has done to the intent.
  const pending = await pendingCallOf(tx, reservationId)
  if (pending && payment.state === 'open') return { call: pending, isOurs: false }
  const reply = async (reply: Reply) => ({ reply: await keepAnswer(tx, payment, attempt, reply) })
  const call = async (work: Work, options?: { again: true }) => ({
    call: await writeCall(tx, work, options),
    isOurs: true,
  })
  const step = nextStep(payment, await intentsOf(tx, payment), wish, fresh)
  switch (step.do) {
    case 'answer closed':
      return { reply: { outcome: 'closed' } }
    case 'answer captured':
      return reply(capturedReply(payment, step.intent))
    case 'answer open':
      return reply(openReply(payment, step.intent))
    case 'look':
      return { look: step.intent.id }
    case 'create': {
      const about = { amountMinor, currency, description, customer, savesCard }
      const traceparent = currentContext()?.traceparent ?? null
      // Again: an intent this attempt has made before may have been cancelled.
      return call(
        { operation: 'payment_intents.create', reservationId, attempt, ...about, traceparent },
        { again: true },
      )
    }
    case 'cancel':
      return call(
        { operation: 'payment_intents.cancel', reservationId, paymentIntentId: step.intent.id },
        { again: true },
      )
    case 'update': {
      const paymentIntentId = step.intent.id
      const about = { paymentIntentId, customer, savesCard }
      // Again: another attempt may have changed it back since this one did it.
      return call({ operation: 'payment_intents.update', reservationId, attempt, ...about }, { again: true })
    }
    case 'confirm': {
      const about = { paymentIntentId: step.intent.id, stripeMethodId: step.stripeMethodId }
      const work = { operation: 'payment_intents.confirm', reservationId, attempt, ...about } as const
      const confirm = await writeCall(tx, work)
      // Refused before, because the intent was in a state that it has left since.
      return confirm.problem?.kind === 'unexpected_state'
        ? call(work, { again: true })
        : { call: confirm, isOurs: true }
    }
  }
}

/** The answer that the outcome of a call gives; undefined when there is more to do. */
async function replyTo(tx: Tx, ask: Ask, work: Work, outcome: Outcome): Promise<Reply | undefined> {
  if (outcome.ok && work.operation !== 'payment_intents.confirm') return undefined
  // What stands in the way is gone, or the next look says what it is.
  if (work.operation === 'payment_intents.cancel') return undefined
  // Paid or cancelled meanwhile, by the guest in another window or by us: the next look decides.
  if (!outcome.ok && outcome.problem.kind === 'unexpected_state') return undefined
  // Forgotten by now: whoever asks again gets another one made.
  if (!outcome.ok && isCustomerGone(outcome.problem)) throw new Unavailable('the customer is gone at Stripe')
  const payment = await mustLock(tx, ask)
  const intentId = 'paymentIntentId' in work ? work.paymentIntentId : undefined
  const intent = (await intentsOf(tx, payment)).find(({ id }) => id === intentId)
  if (!outcome.ok) return keepAnswer(tx, payment, ask.attempt, refusedReply(payment, intent, outcome.problem))
  return intent && keepAnswer(tx, payment, ask.attempt, openReply(payment, intent))
}

async function mustLock(tx: Tx, { reservationId }: Ask): Promise<Payment> {
  const payment = await lockPayment(tx, reservationId)
  if (!payment) throw new Error(`there is no payment for the reservation ${reservationId}`)
  return payment
}

/** An answer in time, even if it is that there is none yet. */
async function inTime(work: Promise<Reply>): Promise<Reply> {
  const answered = work.catch((error: unknown): Reply => {
    if (error instanceof Unavailable) return { outcome: 'unavailable', reason: reasonOf(error) }
    throw error
  })
  const { promise: late, resolve } = Promise.withResolvers<Reply>()
  const timer = setTimeout(() => resolve({ outcome: 'unavailable', reason: 'Stripe takes too long' }), deadlineMs)
  try {
    return await Promise.race([answered, late])
  } finally {
    clearTimeout(timer)
  }
}
