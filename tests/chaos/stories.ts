import type { Databases } from '@holdfast/operations/databases'
import { readStory } from '@holdfast/operations/read-story'
import { sourcesIn } from '@holdfast/operations/sources'
import { inOrder, told } from '@holdfast/operations/story'
import { table } from '@holdfast/operations/table'
import { lookAt } from '@holdfast/verification/verification'
import type { Breach } from './promises.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const most = 8

/** What `npm run trace` would tell of the reservations that something is wrong with, for the stack will be gone. */
export async function storiesOf(databases: Databases, breaches: readonly Breach[]): Promise<string[]> {
  const ids = [...new Set(breaches.map(({ subject }) => subject))].filter((id) => uuid.test(id)).slice(0, most)
  const stories: string[] = []
  for (const booking of (await lookAt(sourcesIn(databases), { of: ids })).bookings) {
    const lines = await readStory(databases, booking)
    const from = inOrder(lines)[0]?.at ?? new Date()
    stories.push([`${booking.id}, from ${from.toISOString()} on`, ...table(told(lines, from))].join('\n'))
  }
  return stories
}
