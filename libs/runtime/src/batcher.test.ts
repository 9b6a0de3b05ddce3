import { Unavailable } from '@holdfast/contracts/errors'
import { expect, test } from '@jest/globals'
import { createBatcher } from './batcher.ts'
import { createLogger } from './logger.ts'

const logger = createLogger('test', { LOG_LEVEL: 'silent' })

/** Doubles numbers; an odd one spoils its batch, and 5 finds nobody there. */
function doubling() {
  const batches: (readonly number[])[] = []
  const alone: number[] = []
  const double = createBatcher<number, number>({
    name: 'doubling',
    limit: 4,
    logger,
    runAll: async (items) => {
      batches.push(items)
      if (items.some((item) => item % 2 === 1)) throw new Error('odd')
      return items.map((item) => 2 * item)
    },
    runOne: async (item) => {
      alone.push(item)
      if (item === 5) throw new Unavailable('nobody there')
      if (item % 2 === 1) throw new Error(`${item} is odd`)
      return 2 * item
    },
  })
  return { batches, alone, double }
}

test('what has queued up goes together, as many as the limit allows, and each gets its own result', async () => {
  const { double, batches } = doubling()
  expect(await Promise.all([2, 4, 6, 8, 10].map(double))).toEqual([4, 8, 12, 16, 20])
  expect(batches).toEqual([[2, 4, 6, 8], [10]])
})

test('one that spoils its batch is nobody else’s trouble', async () => {
  const { double } = doubling()
  const results = await Promise.allSettled([2, 3, 4].map(double))
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)))).toEqual([
    ...[4, 'Error: 3 is odd', 8],
  ])
})

test('where nobody is there for one, the others are told so and not waited for', async () => {
  const { double, alone } = doubling()
  const results = await Promise.allSettled([2, 5, 6, 8].map(double))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
  expect(alone).toEqual([2, 5])
  expect(await double(10)).toBe(20)
})
