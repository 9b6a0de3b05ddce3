import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const checkoutRoot = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

/** The folder that holds everything one stack leaves on this machine: data, passwords, ports, logs, stack.json. */
export interface Home {
  readonly dir: string
  /** A path below the home. */
  path(...parts: string[]): string
  /** A random password, made once and kept (stacks must find their own data again). */
  secret(name: string): string
}

export function openHome(dir: string = defaultHomeDir()): Home {
  const root = resolve(dir)
  mkdirSync(join(root, 'logs'), { recursive: true })
  const path = (...parts: string[]) => join(root, ...parts)
  const file = path('secrets.json')
  return {
    dir: root,
    path,
    secret(name) {
      const known = readJson<Record<string, string>>(file) ?? {}
      const value = known[name] ?? randomBytes(18).toString('base64url').replaceAll(/[-_]/g, 'x')
      if (known[name] === undefined) writeAtomically(file, JSON.stringify({ ...known, [name]: value }, null, 2), 0o600)
      return value
    },
  }
}

export function defaultHomeDir(): string {
  return process.env.HOLDFAST_HOME ?? join(checkoutRoot, '.holdfast')
}

export function readJson<T>(file: string): T | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined
}

/** Readers see the old content or the new one, never half of it. */
export function writeAtomically(file: string, content: string, mode = 0o644): void {
  const draft = `${file}.${process.pid}.draft`
  writeFileSync(draft, content, { mode })
  renameSync(draft, file)
}
