import { copyFileSync, existsSync, openSync, readFileSync, renameSync, statSync, truncateSync } from 'node:fs'

const maxBytes = 20_000_000

/** Opens a log for appending. The log of the run before stays beside it as `.1`; what was there before that is gone. */
export function openLog(file: string): number {
  if (existsSync(file)) renameSync(file, `${file}.1`)
  return openSync(file, 'a')
}

/** Keeps a log that is being written below its bound. Appending writers go on at the new end of a truncated file. */
export function boundLog(file: string): void {
  if (!existsSync(file) || statSync(file).size < maxBytes) return
  copyFileSync(file, `${file}.1`)
  truncateSync(file)
}

/** The last lines of a log, for a message about what went wrong. */
export function logTail(file: string, lines = 15): string {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : '(no log)'
}
