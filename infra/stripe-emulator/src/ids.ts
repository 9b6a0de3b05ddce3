import { hash, randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
let pool = Buffer.alloc(0)
let at = 0

/** Random letters and digits. Bytes are drawn in bulk: one system call for some hundred ids. */
export function randomText(length: number): string {
  let out = ''
  while (out.length < length) {
    if (at >= pool.length) {
      pool = randomBytes(8192)
      at = 0
    }
    const byte = pool[at++] as number
    if (byte < 248) out += ALPHABET[byte % 62]
  }
  return out
}

/** Prefix and length of each kind of id, as Stripe's look. */
const SHAPES = {
  customer: ['cus_', 14],
  payment_method: ['pm_1', 23],
  payment_intent: ['pi_3', 23],
  setup_intent: ['seti_1', 23],
  charge: ['ch_3', 23],
  refund: ['re_3', 23],
  balance_transaction: ['txn_3', 23],
  event: ['evt_1', 23],
  request: ['req_', 14],
  source: ['src_1', 23],
} as const satisfies Record<string, readonly [string, number]>

export function newId(kind: keyof typeof SHAPES): string {
  const [prefix, length] = SHAPES[kind]
  return prefix + randomText(length)
}

/** The same card number always has the same fingerprint, which tells nothing of the number. */
export function cardFingerprint(number: string): string {
  return hash('sha256', `holdfast-stripe-emulator:${number}`, 'base64url').replace(/[-_]/g, 'x').slice(0, 16)
}
