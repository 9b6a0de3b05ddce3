import { ErrorBody } from '@holdfast/contracts/errors'
import { getVerification } from '@holdfast/contracts/routes/operations'
import { Failed } from './command.ts'
import type { WholeReport } from './verify-run.ts'
import { walk } from './walk.ts'

/** The same through the front door, for whoever has an operator's token and no database. */
export function verifyThrough(gatewayUrl: string, token: string): Promise<WholeReport> {
  return walk(async (after) => {
    const address = new URL(getVerification.url, gatewayUrl)
    if (after !== undefined) address.searchParams.set('after', after)
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(10_000),
    }).catch((cause: unknown) => {
      throw new Failed(`${address.origin} does not answer: ${reasonOf(cause)}`)
    })
    const body: unknown = await response.json()
    if (response.ok) return getVerification.reply.parse(body)
    const said = ErrorBody.safeParse(body).data
    throw new Failed(`${address.origin} answered ${response.status}: ${said?.message ?? 'no reason given'}`)
  })
}

/** fetch says only that it failed; its cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message
}
