import type { Stripe } from 'stripe'

/** What Stripe knows of a card and never says. No number is kept. */
export interface CardFacts {
  /** The payment method's id. */
  id: string
  /** The test card's number shows in `testCards`; only its place in that table is kept. */
  testCard: number
  /** Authenticated for later use without the customer. */
  setUp: boolean
  /** Charged without a customer, or detached from one: never to be used again. */
  spent: boolean
}

export interface EventRow {
  id: string
  type: string
  created: number
  data: { object: object; previous_attributes?: object }
  request: { id: string | null; idempotency_key: string | null }
}

export interface DeliveryRow {
  /** The event's id. */
  id: string
  deliveries: Array<{ at: string; status: number | null }>
  pending: boolean
}

/** The answer a key replays. */
export interface AnswerRow {
  /** The idempotency key. */
  id: string
  at: number
  endpoint: string
  fingerprint: string
  request: string
  status: number
  body: string
}

/** Every table, by the name its rows carry in the journal. */
export interface Tables {
  customer: Stripe.Customer | Stripe.DeletedCustomer
  payment_method: Stripe.PaymentMethod
  payment_intent: Stripe.PaymentIntent
  setup_intent: Stripe.SetupIntent
  charge: Stripe.Charge
  refund: Stripe.Refund
  card: CardFacts
  event: EventRow
  delivery: DeliveryRow
  answer: AnswerRow
}
export type Kind = keyof Tables
export type Row = { [K in Kind]: [kind: K, row: Tables[K]] }[Kind]

/** How many rows of a kind are kept; beyond that the oldest goes. A stand-in must not grow without end. */
export const MAX_ROWS: Record<Kind, number> = {
  customer: 200_000,
  payment_method: 200_000,
  card: 200_000,
  payment_intent: 100_000,
  setup_intent: 20_000,
  charge: 100_000,
  refund: 100_000,
  event: 20_000,
  delivery: 20_000,
  answer: 50_000,
}

/** Members that lists filter by. */
export const INDEXES: { [K in Kind]?: Array<keyof Tables[K] & string> } = {
  payment_method: ['customer'],
  payment_intent: ['customer'],
  setup_intent: ['customer', 'payment_method'],
  charge: ['payment_intent', 'customer'],
  refund: ['charge', 'payment_intent'],
}
