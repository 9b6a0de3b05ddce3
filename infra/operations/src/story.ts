import { duration, oneLine } from './table.ts'

/** One booking's story as lines in order. Pure; what to read is read in read-story.ts. */

export interface Line {
  readonly at: Date
  readonly where: 'reservation' | 'inventory' | 'payment' | 'stripe'
  readonly what: string
  readonly details?: string
}

/** At the same moment: first what was heard, then what came of it. */
export const inOrder = (lines: readonly Line[]): Line[] => lines.toSorted((a, b) => a.at.getTime() - b.at.getTime())

/** Stripe tells whole seconds, cut off: what follows from a moment that we know better is told no earlier than that. */
export const notBefore = (at: string, cause: string | null): Date =>
  new Date(Math.max(Date.parse(at), cause === null ? 0 : Date.parse(cause)))

/** Times relative to the beginning: `+0.012 s`, `+15 min 3 s`. */
export function told(lines: readonly Line[], from: Date): string[][] {
  return inOrder(lines).map(({ at, where, what, details }) => [
    `  ${relative(at, from)}`,
    at.toISOString().slice(11, 23),
    where,
    what,
    oneLine(details ?? ''),
  ])
}

export function relative(at: Date, from: Date): string {
  const seconds = (at.getTime() - from.getTime()) / 1_000
  const sign = seconds < 0 ? '-' : '+'
  const size = Math.abs(seconds)
  if (size < 120) return `${sign}${size.toFixed(3)} s`
  if (size < 7_200) return `${sign}${Math.floor(size / 60)} min ${Math.floor(size % 60)} s`
  return `${sign}${duration(size)}`
}

const secret = /secret|email|phone|name|card|token|password|authorization|cookie/i

/** `paymentIntentId=pi_1 declineCode=generic_decline`; nothing that is secret or about a person. */
export function details(value: unknown): string {
  if (typeof value !== 'object' || value === null) return ''
  return Object.entries(value)
    .filter(([key, item]) => !secret.test(key) && item !== null && item !== undefined)
    .map(([key, item]) => `${key}=${typeof item === 'object' ? JSON.stringify(withoutSecrets(item)) : item}`)
    .join(' ')
}

/** The same value without what is secret or about a person, at any depth. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).map(([key, item]) => [key, secret.test(key) ? '[hidden]' : withoutSecrets(item)])
  return Object.fromEntries(kept)
}
