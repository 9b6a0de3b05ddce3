import { expandPaths } from './expand.ts'
import { newId } from './ids.ts'
import { type Answer, type Call, unixSeconds } from './operation.ts'
import type { Emulator } from './parts.ts'
import type { AnswerRow, EventRow } from './rows.ts'
import type { Transaction } from './store.ts'

export interface Execution {
  params: Record<string, unknown>
  path: Record<string, string>
  caller: Call['caller']
  /** What events say of the request that caused them: nothing, if a customer's act in another window did. */
  request: EventRow['request']
}

export interface Result {
  status: number
  body: string
  events: EventRow[]
}

/**
 * Runs an operation as one transaction: its objects, its events and, through `answered`, the answer its key replays are
 * kept together or not at all.
 */
export function execute(
  { store, webhooks }: Pick<Emulator, 'store' | 'webhooks'>,
  execution: Execution,
  run: (call: Call) => Answer,
  answered: (tx: Transaction, answer: { status: number; body: string }) => void = () => {},
): Result {
  const now = new Date()
  const { params, path, caller, request } = execution
  return store.transact((tx) => {
    const events: EventRow[] = []
    const emit: Call['emit'] = (type, object, previous_attributes) => {
      const data = { object, ...(previous_attributes && { previous_attributes }) }
      const event = { id: newId('event'), type, created: unixSeconds(now), data, request }
      tx.put('event', event)
      tx.put('delivery', { id: event.id, deliveries: [], pending: webhooks.owes(type) })
      events.push(event)
    }
    const answer = run({ params, path, caller, tx, now, emit })
    const expand = answer.status === 200 ? ((params.expand as string[] | undefined) ?? []) : []
    const body = serialize(expandPaths(answer.body, expand, tx), request.id)
    answered(tx, { status: answer.status, body })
    return { status: answer.status, body, events }
  })
}

/** Errors name the request they came from. */
export function serialize(body: object, requestId: string | null): string {
  if (!('error' in body) || requestId === null) return JSON.stringify(body)
  const request_log_url = `https://dashboard.stripe.com/test/logs/${requestId}`
  return JSON.stringify({ error: { ...(body.error as object), request_log_url } })
}

export const answerRow = (
  key: string,
  claim: { endpoint: string; fingerprint: string; request: string },
  answer: { status: number; body: string },
): AnswerRow => ({ id: key, at: Date.now(), ...claim, status: answer.status, body: answer.body })
