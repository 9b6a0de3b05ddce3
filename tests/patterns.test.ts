import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { allRoutes } from '@holdfast/contracts/routes/all'
import { describe, expect, test } from '@jest/globals'
import { parse } from '@swc/core'
import { checkSync } from 'recheck'
import { z } from 'zod'

/**
 * No pattern that a service tries on what somebody sends may go back over what it has read: a string made for it would hold
 * up the process, and every guest with it. recheck proves that of each pattern, or finds the string; nothing is timed.
 */

const root = join(import.meta.dirname, '..')

/** Those in the source of the services and what they are made of: where each stands and the pattern. */
async function inSources(): Promise<[string, RegExp][]> {
  const found: [string, RegExp][] = []
  for await (const file of glob('{services,libs}/*/src/**/*.ts', { cwd: root }))
    if (!/\.(test|fixture)\.ts$/.test(file))
      for (const pattern of patternsIn(await parse(readFileSync(join(root, file), 'utf8'), { syntax: 'typescript' })))
        found.push([`${file} ${pattern}`, pattern])
  return found
}

/** Literals, and whatever is built when the program runs, which nobody could judge here. */
function patternsIn(node: unknown): RegExp[] {
  if (typeof node !== 'object' || node === null) return []
  const { type, pattern, flags, callee } = node as Partial<Record<string, unknown>>
  if (type === 'RegExpLiteral') return [new RegExp(String(pattern), String(flags))]
  if ((callee as { value?: unknown } | undefined)?.value === 'RegExp') throw new Error('A pattern must be a literal')
  return Object.values(node).flatMap(patternsIn)
}

/** Those of the fields of every request, zod's own for dates, addresses and the like among them. */
function inSchemas(): [string, RegExp][] {
  const found = new Map<string, RegExp>()
  for (const { params, query, body } of allRoutes)
    for (const schema of [params, query, body].filter((part) => part !== undefined))
      z.toJSONSchema(schema, {
        io: 'input',
        unrepresentable: 'any',
        override: ({ jsonSchema: { pattern, format } }) => {
          if (pattern !== undefined) found.set(`${format ?? 'text'} ${pattern}`, new RegExp(pattern, 'u'))
        },
      })
  return [...found]
}

const verdictOf = ({ source, flags }: RegExp) => checkSync(source, flags, { timeout: 20_000 })

describe('takes no longer over a hostile string than over a harmless one', () => {
  const patterns = inSchemas()
  test.each(patterns)('%s', (_name, pattern) => {
    expect(verdictOf(pattern)).toMatchObject({ status: 'safe' })
  })

  test('what the sources look for', async () => {
    const found = await inSources()
    expect(found.length).toBeGreaterThan(10)
    for (const [name, pattern] of found) expect({ name, ...verdictOf(pattern) }).toMatchObject({ status: 'safe' })
  })
})

test.each([/\s+$/, /^(a+)+$/, /^(\w+\s?)*$/])('%s would be noticed', (pattern) => {
  expect(verdictOf(pattern)).toMatchObject({ status: 'vulnerable' })
})
