import { DomainError } from '@holdfast/contracts/errors'

/** Deeper than anything we take; recursion over a request body must not be able to exhaust the stack. */
const maxDepth = 32

/** Parses a request body. An empty one is no body: many clients send a content type with every DELETE. */
export function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('body', 'is not valid JSON')
  }
  assertAcceptable(value)
  return value
}

/** Checks all of a body, the fields we ignore included: not too deep, and no NUL, which Postgres cannot store. */
function assertAcceptable(body: unknown): void {
  let level: { path: string; value: unknown }[] = [{ path: 'body', value: body }]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxDepth) throw invalid('body', `is nested deeper than ${maxDepth}`)
    const faulty = level.find(({ path, value }) => hasNul(value) || hasNul(path))
    if (faulty) throw invalid(faulty.path.replaceAll('\0', '\\0'), 'must not contain a NUL character')
    level = level.flatMap(({ path, value }) =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).map(([key, item]) => ({ path: `${path}.${key}`, value: item as unknown }))
        : [],
    )
  }
}

const hasNul = (value: unknown) => typeof value === 'string' && value.includes('\0')

const invalid = (path: string, message: string) => new DomainError('VALIDATION_ERROR', [{ path, message }])

/** The same text for the same JSON value: white space and the order of keys do not matter. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
}
