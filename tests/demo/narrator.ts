import { setTimeout as sleep } from 'node:timers/promises'
import { inspect, isDeepStrictEqual, styleText } from 'node:util'

/** What the demo says, and how it looks: a sentence, the call, what came back, and what that means. */

export type Fields = Readonly<Record<string, unknown>>

export interface Seen<T> {
  /** An HTTP status, or an arrow where it was not HTTP of ours. */
  readonly code: string
  /** The fields that matter, in the order to show them. */
  readonly fields: Fields
  /** What the story goes on with; without it, it cannot. */
  readonly value?: T
}

export interface Step<T> {
  readonly says: string
  readonly verb: string
  readonly call: string
  run(): Promise<Seen<T>>
  readonly expectedCode: string
  readonly expects: Fields
  readonly means: string
  /** Asks again until it is as expected, at most this long. */
  readonly withinMs?: number | undefined
}

export interface Narrator {
  title(text: string): void
  say(sentence: string): void
  scenario(number: number, title: string, plot: string): void
  step<T>(step: Step<T>): Promise<T>
  /** A check of something that no single call shows. */
  check(means: string, seen: Fields, expected: Fields): void
  fail(sentence: string): void
  readonly failures: number
}

/** A step without which the rest of its scenario makes no sense went wrong; it has been told already. */
export class StoryEnds extends Error {}

/** No call of a local stack takes this long; a demo that hangs tells nothing. */
const callLimitMs = 15_000
const askAgainAfterMs = 50
const longestShown = 80

export function createNarrator(write: (text: string) => void): Narrator {
  let failures = 0
  const line = (text = '') => write(`${text}\n`)
  /** Verb, status and verdict stand below each other. */
  const row = (label: string, text: string) => line(`     ${label}${text}`)

  function judge(means: string, seen: Fields, expected: Fields): void {
    const wrong = differing(seen, expected)
    if (wrong.length === 0) {
      row(styleText('green', '✓'.padEnd(8)), means)
      return
    }
    failures += 1
    row(styleText('red', '✗'.padEnd(8)), styleText('red', `This should have been so: ${means}`))
    for (const name of wrong) {
      row(' '.repeat(8), `expected  ${name}: ${shown(expected[name])}`)
      row(' '.repeat(8), `seen      ${name}: ${shown(seen[name])}`)
    }
  }

  return {
    title: (text) => line(styleText('bold', text)),
    say: (sentence) => line(sentence),
    scenario: (number, title, plot) => {
      line()
      line(`${styleText(['bold', 'cyan'], `${number}. ${title}`)}  ${styleText('dim', plot)}`)
    },
    async step(step) {
      line()
      line(`   ${step.says}`)
      row(styleText('cyan', step.verb.padEnd(8)), short(step.call))
      const { seen, looks } = await look(step)
      const many = looks > 1 ? styleText('dim', `  (asked ${looks} times)`) : ''
      row(styleText('yellow', seen.code.padEnd(8)), styleText('dim', listed(seen.fields)) + many)
      judge(step.means, ...comparable(step, seen))
      if (seen.value === undefined) throw new StoryEnds(step.call)
      return seen.value
    },
    check: judge,
    fail: (sentence) => {
      failures += 1
      row(styleText('red', '✗'.padEnd(8)), styleText('red', sentence))
    },
    get failures() {
      return failures
    },
  }
}

async function look<T>(step: Step<T>): Promise<{ seen: Seen<T>; looks: number }> {
  const deadline = Date.now() + (step.withinMs ?? 0)
  for (let looks = 1; ; looks++) {
    const seen = await withinLimit(step.run(), step.call)
    if (differing(...comparable(step, seen)).length === 0 || Date.now() >= deadline) return { seen, looks }
    await sleep(askAgainAfterMs)
  }
}

async function withinLimit<T>(work: Promise<T>, what: string): Promise<T> {
  const timer = new AbortController()
  const tooLong = sleep(callLimitMs, undefined, { signal: timer.signal }).then((): never => {
    throw new Error(`${what} was not answered within ${callLimitMs / 1_000} s`)
  })
  try {
    return await Promise.race([work, tooLong])
  } finally {
    timer.abort()
    tooLong.catch(() => {})
  }
}

/** An answer with another status than expected has other fields, too: then the status is all there is to compare. */
function comparable<T>(
  { expectedCode, expects }: Step<T>,
  { code, fields }: Seen<T>,
): [seen: Fields, expected: Fields] {
  return code === expectedCode ? [fields, expects] : [{ 'HTTP status': code }, { 'HTTP status': expectedCode }]
}

const differing = (seen: Fields, expected: Fields): string[] =>
  Object.keys(expected).filter((name) => !isDeepStrictEqual(seen[name], expected[name]))

const listed = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(' · ')

function shown(value: unknown): string {
  const text = short(typeof value === 'string' ? value : inspect(value, { breakLength: Number.POSITIVE_INFINITY }))
  return text.length > longestShown ? `${text.slice(0, longestShown - 1)}…` : text
}

/** Ids are for machines: eight digits are enough to recognise one by. */
const short = (text: string): string => text.replace(/([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f-]{22}/g, '$1…')
