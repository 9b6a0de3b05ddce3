import { afterAll } from '@jest/globals'

/**
 * Each test file loads its modules anew, and standard output is the same for all: slonik's logger listens to it from then on,
 * file after file. It knows how to stop.
 */
afterAll(() => {
  const { ROARR } = globalThis as { ROARR?: { teardown?: () => void } }
  ROARR?.teardown?.()
})
