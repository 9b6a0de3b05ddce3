import { expect, test } from '@jest/globals'
import { withDeadline } from './session.ts'

test('what was waited for leaves nothing behind on a session, which may live for months', async () => {
  const listening = new Set<(reason: string) => void>()
  const onEnd = (tell: (reason: string) => void) => {
    listening.add(tell)
    return () => listening.delete(tell)
  }
  expect(await withDeadline(Promise.resolve('done'), { onEnd })).toBe('done')
  expect(listening.size).toBe(0)
  const waiting = withDeadline(new Promise(() => {}), { onEnd })
  for (const tell of listening) tell('it was cut')
  await expect(waiting).rejects.toThrow('it was cut')
  expect(listening.size).toBe(0)
})
