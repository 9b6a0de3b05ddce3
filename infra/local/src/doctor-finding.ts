/** What the doctor found, and how to mend it. */
export interface Finding {
  readonly verdict: 'ok' | 'note' | 'warning' | 'fault'
  readonly says: string
  readonly mend?: string
}

export const ok = (says: string): Finding => ({ verdict: 'ok', says })
export const note = (says: string): Finding => ({ verdict: 'note', says })
export const warning = (says: string, mend: string): Finding => ({ verdict: 'warning', says, mend })
export const fault = (says: string, mend: string): Finding => ({ verdict: 'fault', says, mend })

export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  const own = error.message || code || error.name
  return error.cause instanceof Error ? `${own} (${reasonOf(error.cause)})` : own
}

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** How to mend a connection that failed by the server's certificate; undefined if it failed otherwise. */
export function mendCertificate(error: unknown, nameAuthority: string): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException
  if (unknownAuthority.has(code)) return `Name the authority that has signed the server's certificate: ${nameAuthority}`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return "Use the host name that stands in the server's certificate."
  if (code === 'CERT_HAS_EXPIRED') return "Renew the server's certificate."
  return undefined
}

/** On this machine, or a name within a private network that has no dots, as compose's. TLS is not asked for there. */
export function isNear(host: string): boolean {
  return host === '[::1]' || host.startsWith('127.') || !host.includes('.')
}

const skewWarningMs = 2_000
/** Holds end, and tokens and webhook signatures grow old, by clocks that must agree. */
const skewFaultMs = 30_000

/** Their clock as read between two readings of ours. */
export function judgeSkew(whose: string, theirs: number, before: number, after: number): Finding {
  const off = theirs < before ? before - theirs : theirs > after ? theirs - after : 0
  const says = `${whose}: its clock and ours differ by ${off < 1_000 ? 'less than a second' : `${(off / 1_000).toFixed(1)} s`}`
  const mend = 'Keep time by NTP (chrony, systemd-timesyncd) on every machine, this one included.'
  return off > skewFaultMs ? fault(says, mend) : off > skewWarningMs ? warning(says, mend) : ok(says)
}

/** The same by an HTTP answer's Date, which is whole seconds and may come from a cache on the way. */
export function skewOf(whose: string, response: Response, before: number): Finding[] {
  const date = Date.parse(response.headers.get('date') ?? '')
  if (Number.isNaN(date) || response.headers.has('age')) return []
  return [judgeSkew(whose, date, before - 1_000, Date.now())]
}
