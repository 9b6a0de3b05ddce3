import type { Finding } from '@holdfast/contracts/routes/operations'
import { standingOf } from '@holdfast/verification/booking'
import { z } from 'zod'
import type { Databases } from './databases.ts'

/** Stripe's own lists against payment's tables: what was paid and what went back, as the one who holds the money has it. */

const Intent = z.object({
  id: z.string(),
  status: z.string(),
  amount_received: z.int(),
  currency: z.string(),
  created: z.int(),
  metadata: z.record(z.string(), z.string()),
})
const Refund = z.object({
  id: z.string(),
  amount: z.int(),
  status: z.string().nullable(),
  payment_intent: z.string().nullable(),
  created: z.int(),
})
const page = <Item extends z.ZodType>(item: Item) => z.object({ data: z.array(item), has_more: z.boolean() })

export type StripeIntent = z.infer<typeof Intent>

export interface StripeDoor {
  readonly url: string
  readonly secretKey: string
}

/** What payment has about an intent. */
export interface RecordedIntent {
  readonly id: string
  readonly status: string
  readonly amountReceivedMinor: number
  readonly returnedMinor: number
}

const recordedSql = `
  select i.id, i.status, i.amount_received as "amountReceivedMinor",
    coalesce((select sum(amount)::bigint from refund r where r.payment_intent_id = i.id and r.status not in ('failed', 'canceled')), 0)
      as "returnedMinor"
  from payment_intent i where i.id = any($1::text[])`
const succeededSql = `
  select i.id, p.reservation_id as "reservationId", i.created_at as "createdAt"
  from payment_intent i join payment p on p.id = i.payment_id where i.status = 'succeeded' and i.created_at >= $1`

/** An intent is made at Stripe before it is on record here; both clocks may differ. */
const marginSeconds = 3_600
/** Whatever webhook is lost, an intent is asked about at these ages, and when its hold ends (15 minutes by default). */
const pollSeconds = 600

export interface StripeView {
  readonly intents: number
  readonly findings: Finding[]
}

/** The last `days` of Stripe's intents with our metadata. Others in the same account are none of our business. */
export async function judgeStripe(databases: Databases, stripe: StripeDoor, days: number): Promise<StripeView> {
  const now = new Date()
  const from = Math.floor(now.getTime() / 1_000) - days * 86_400
  const returned = new Map<string, number>()
  for await (const refunds of pages(stripe, 'refunds', Refund, from))
    for (const { payment_intent, amount, status } of refunds)
      if (payment_intent && status !== 'failed' && status !== 'canceled')
        returned.set(payment_intent, (returned.get(payment_intent) ?? 0) + amount)

  const findings: Finding[] = []
  const paid = new Set<string>()
  let intents = 0
  for await (const batch of pages(stripe, 'payment_intents', Intent, from)) {
    const ours = batch.filter(({ metadata }) => metadata.reservationId !== undefined)
    intents += ours.length
    for (const { id, status } of ours) if (status === 'succeeded') paid.add(id)
    const rows = await databases.rows<RecordedIntent>('payment', recordedSql, [ours.map(({ id }) => id)])
    const recorded = new Map(rows.map((row) => [row.id, row]))
    for (const intent of ours)
      findings.push(...judgeIntent(intent, returned.get(intent.id) ?? 0, recorded.get(intent.id), now))
  }
  const since = new Date((from + marginSeconds) * 1_000)
  const ours = await databases.rows<{ id: string; reservationId: string; createdAt: Date }>('payment', succeededSql, [
    since,
  ])
  for (const { id, reservationId, createdAt } of ours)
    if (!paid.has(id))
      findings.push({
        subject: reservationId,
        kind: 'stripe-unknown',
        what: `${id} is on record as paid, and Stripe's list does not have it as such`,
        since: createdAt.toISOString(),
        standing: 'drift',
      })
  return { intents, findings }
}

export function judgeIntent(
  { id, status, amount_received: received, created, metadata }: StripeIntent,
  returned: number,
  recorded: RecordedIntent | undefined,
  now: Date,
): Finding[] {
  const since = new Date(created * 1_000).toISOString()
  const common = { subject: metadata.reservationId ?? id, since }
  // A webhook may be late or lost: then polling finds it.
  const standing = standingOf(since, now.toISOString(), pollSeconds)
  if (status === 'succeeded' && recorded?.status !== 'succeeded') {
    const known = recorded ? `is ${recorded.status} on record` : 'is not on record'
    return [{ ...common, kind: 'stripe-paid', what: `${id} was paid ${received} at Stripe, and ${known}`, standing }]
  }
  if (status !== 'succeeded' || !recorded) return []
  const amounts = { ...common, standing: 'drift' as const }
  return [
    ...(received === recorded.amountReceivedMinor
      ? []
      : [
          {
            ...amounts,
            kind: 'stripe-amount',
            what: `${id}: ${received} at Stripe, ${recorded.amountReceivedMinor} here`,
          },
        ]),
    ...(returned === recorded.returnedMinor
      ? []
      : [
          {
            ...amounts,
            kind: 'stripe-refunds',
            what: `${id}: ${returned} given back at Stripe, ${recorded.returnedMinor} here`,
          },
        ]),
  ]
}

async function* pages<Item extends z.ZodType<{ id: string }>>(
  { url, secretKey }: StripeDoor,
  list: string,
  item: Item,
  from: number,
): AsyncGenerator<z.infer<Item>[]> {
  let after: string | undefined
  for (;;) {
    const address = new URL(`/v1/${list}`, url)
    address.searchParams.set('limit', '100')
    address.searchParams.set('created[gte]', String(from))
    if (after !== undefined) address.searchParams.set('starting_after', after)
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${secretKey}` },
      signal: AbortSignal.timeout(30_000),
    })
    if (!response.ok) throw new Error(`Stripe answered ${response.status} to the list of ${list}`)
    const { data, has_more: hasMore } = page(item).parse(await response.json())
    yield data
    after = data.at(-1)?.id
    if (!hasMore || after === undefined) return
  }
}
