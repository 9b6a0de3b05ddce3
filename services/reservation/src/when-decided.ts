import { setTimeout as sleep } from 'node:timers/promises'
import type { Queries } from '@holdfast/db/database'
import { answerBy } from '@holdfast/runtime/context'
import { findReservation, type Seen } from './store.ts'

const pollMs = 25

/** Reads the reservation until `isDecided`, for `patienceMs` at most: what others make of it comes by messages. */
export async function whenDecided(
  database: Queries,
  reservation: Seen,
  patienceMs: number,
  isDecided: (reservation: Seen) => boolean,
): Promise<Seen> {
  const deadline = answerBy(patienceMs)
  let seen = reservation
  while (!isDecided(seen) && Date.now() < deadline) {
    await sleep(pollMs)
    seen = (await findReservation(database, seen.id, seen.userId)) ?? seen
  }
  return seen
}
