import { hash } from 'node:crypto'

/** A decoded body or query: bracket nesting becomes objects, everything else stays text. No prototype, so no key is special. */
export interface Form {
  [name: string]: string | Form
}

export const emptyForm = (): Form => Object.create(null) as Form

const MAX_PAIRS = 1000
const MAX_DEPTH = 8
const NAME = /^([^[\]]+)((?:\[[^[\]]*\])*)$/

/** Reads `a=1&b[c]=2&d[]=3&e[0]=4`. Returns null for what cannot be one form (a name used as text and as an object). */
export function parseForm(text: string): Form | null {
  const form = emptyForm()
  let pairs = 0
  for (const [name, value] of new URLSearchParams(text)) {
    if (++pairs > MAX_PAIRS) return null
    const parts = NAME.exec(name)
    if (parts === null) return null
    const path = [parts[1] ?? '', ...stepsOf(parts[2] ?? '')]
    if (path.length > MAX_DEPTH || !put(form, path, value)) return null
  }
  return form
}

const stepsOf = (brackets: string): string[] =>
  brackets
    .split(']')
    .slice(0, -1)
    .map((step) => step.slice(1))

function put(form: Form, path: string[], value: string): boolean {
  let at = form
  for (const [depth, step] of path.entries()) {
    const name = step === '' ? String(Object.keys(at).length) : step
    if (depth === path.length - 1) {
      if (typeof at[name] === 'object') return false
      at[name] = value
      return true
    }
    const next = at[name] ?? emptyForm()
    if (typeof next === 'string') return false
    at[name] = next
    at = next
  }
  return true
}

/** Equal for two forms that say the same, whatever their order. Kept in place of the parameters, which may hold a card. */
export function fingerprintOf(form: Form): string {
  return hash('sha256', JSON.stringify(sorted(form)), 'base64url')
}

function sorted(form: Form): unknown {
  return Object.keys(form)
    .sort()
    .map((name) => {
      const value = form[name]
      return [name, typeof value === 'object' ? sorted(value) : value]
    })
}
