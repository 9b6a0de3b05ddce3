import { errors } from './errors.ts'
import type { Form } from './form.ts'

/** What one parameter may be. `unset` allows the empty string, Stripe's way to clear a value. */
export type Field = { required?: true; unset?: true } & (
  | { type: 'string'; max?: number }
  | { type: 'integer'; min?: number; max?: number }
  | { type: 'boolean' }
  | { type: 'enum'; values: readonly string[] }
  | { type: 'object'; fields: Fields }
  | { type: 'array'; of: Field }
  | { type: 'metadata' }
  | { type: 'either'; text: Field; object: Field }
  /** Accepted as it came and not looked into: it changes nothing that this emulator models. */
  | { type: 'any' }
  /** Stripe knows it, this emulator does not: refused, for ignoring it would be a lie. */
  | { type: 'unsupported' }
)
export type Fields = Record<string, Field>

/** A table that names every parameter stripe-node knows for the operation, and none besides but Stripe.js's own. */
export type FieldsOf<P> = Record<keyof P, Field>

export const string: Field = { type: 'string', max: 5000 }
export const text = (max: number): Field => ({ type: 'string', max })
export const integer: Field = { type: 'integer' }
export const boolean: Field = { type: 'boolean' }
export const any: Field = { type: 'any' }
export const unsupported: Field = { type: 'unsupported' }
export const metadata: Field = { type: 'metadata', unset: true }
export const expand: Field = { type: 'array', of: string }
export const oneOf = (...values: string[]): Field => ({ type: 'enum', values })
export const object = (fields: Fields): Field => ({ type: 'object', fields })
export const array = (of: Field): Field => ({ type: 'array', of })
export const required = (field: Field): Field => ({ ...field, required: true })
export const orUnset = (field: Field): Field => ({ ...field, unset: true })

export const address: Field = orUnset(
  object({ city: string, country: string, line1: string, line2: string, postal_code: string, state: string }),
)
export const range: Field = {
  type: 'either',
  text: integer,
  object: object({ gt: integer, gte: integer, lt: integer, lte: integer }),
}
export const paging = {
  limit: { type: 'integer', min: 1, max: 100 },
  starting_after: string,
  ending_before: string,
} satisfies Fields

export type Value = string | number | boolean | Value[] | { [name: string]: Value }

/** Checks a form against a table and gives the values their types. Throws Stripe's error for the first fault. */
export function checkParameters(form: Form, fields: Fields): Record<string, Value> {
  const unknown = Object.keys(form).filter((name) => !Object.hasOwn(fields, name))
  if (unknown.length > 0) throw errors.parameterUnknown(unknown)
  return checkFields(form, fields, '')
}

function checkFields(form: Form, fields: Fields, path: string): Record<string, Value> {
  const nameOf = (name: string) => (path === '' ? name : `${path}[${name}]`)
  const unknown = Object.keys(form).filter((name) => !Object.hasOwn(fields, name))
  if (unknown.length > 0) throw errors.parameterUnknown(unknown.map(nameOf))
  const values: Record<string, Value> = {}
  for (const name in fields) {
    const field = fields[name] as Field
    const given = form[name]
    if (given !== undefined) values[name] = checkField(given, field, nameOf(name))
    else if (field.required) throw errors.parameterMissing(nameOf(name))
  }
  return values
}

function checkField(given: string | Form, field: Field, path: string): Value {
  if (field.type === 'unsupported') throw errors.unsupported(path)
  if (field.type === 'any') return plain(given)
  if (field.type === 'either') return checkField(given, typeof given === 'string' ? field.text : field.object, path)
  if (given === '') {
    if (field.unset) return ''
    throw errors.parameterEmpty(path)
  }
  switch (field.type) {
    case 'object':
      if (typeof given === 'string') throw errors.notAnObject(path)
      return checkFields(given, field.fields, path)
    case 'array':
      if (typeof given === 'string') throw errors.notAnArray(path)
      return Object.entries(given).map(([index, item]) => checkField(item, field.of, `${path}[${index}]`))
    case 'metadata':
      if (typeof given === 'string') throw errors.notAnObject(path)
      return checkMetadata(given)
    case 'string':
    case 'integer':
    case 'boolean':
    case 'enum':
      if (typeof given !== 'string') throw errors.notAString(path)
      return checkText(given, field, path)
  }
}

function checkText(
  given: string,
  field: Extract<Field, { type: 'string' | 'integer' | 'boolean' | 'enum' }>,
  path: string,
): Value {
  switch (field.type) {
    case 'string':
      if (field.max !== undefined && given.length > field.max) throw errors.tooLong(path, field.max, given.length)
      return given
    case 'integer': {
      const number = Number(given)
      if (!/^-?\d{1,15}$/.test(given)) throw errors.notAnInteger(path, given)
      if (field.min !== undefined && number < field.min) throw errors.belowMinimum(path, field.min)
      if (field.max !== undefined && number > field.max) throw errors.aboveMaximum(path, field.max)
      return number
    }
    case 'boolean':
      if (given !== 'true' && given !== 'false') throw errors.notABoolean(path, given)
      return given === 'true'
    case 'enum':
      if (!field.values.includes(given)) throw errors.notInEnum(path, field.values)
      return given
  }
}

function checkMetadata(given: Form): Record<string, string> {
  const values: Record<string, string> = {}
  for (const [key, value] of Object.entries(given)) {
    if (typeof value !== 'string') throw errors.notAString(`metadata[${key}]`)
    if (key.length > 40) throw errors.metadataKeyTooLong(key)
    if (value.length > 500) throw errors.metadataValueTooLong(key, value)
    values[key] = value
  }
  return values
}

function plain(given: string | Form): Value {
  if (typeof given === 'string') return given
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, plain(value)]))
}

/** Stripe merges metadata key by key: an empty value removes its key, an empty string in place of all removes all. */
export function mergeMetadata(
  old: Record<string, string> | null,
  change: Record<string, unknown> | '' | null | undefined,
): Record<string, string> {
  if (change === '' || change === null) return {}
  const merged: Record<string, string> = { ...old }
  for (const [key, value] of Object.entries(change ?? {})) {
    if (value === '') delete merged[key]
    else merged[key] = String(value)
  }
  const count = Object.keys(merged).length
  if (count > 50) throw errors.metadataTooMany(count)
  return merged
}
