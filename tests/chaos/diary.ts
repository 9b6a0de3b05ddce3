/** What one guest wanted, and everything it was told: what the databases and Stripe are held against in the end. */
export interface Diary {
  readonly plan: string
  readonly user: string
  /** Answered with 200: from then on this reservation exists. */
  holdId?: string
  /** Of each intent that a conversion named. */
  readonly intentIds: Set<string>
  /** Of these, what Stripe.js said it had paid. */
  readonly paid: Set<string>
  /** It was said to be confirmed, and under which reference, where one was said. */
  confirmed?: { reference?: string }
  cancelled?: true
  /** How it ended for the guest. */
  ending: string
  /** Answers that nobody should get. */
  readonly wrong: string[]
}

export const openDiary = (plan: string, user: string): Diary => ({
  ...{ plan, user, ending: 'under way' },
  ...{ intentIds: new Set(), paid: new Set(), wrong: [] },
})

/** Answers by their status, over the whole run. `broken` had none. */
export type Tally = Map<string, number>

export function count(tally: Tally, name: string, by = 1): void {
  tally.set(name, (tally.get(name) ?? 0) + by)
}
