import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Row } from './rows.ts'

/** Where a store keeps what it was told, one JSON line a transaction. */
export interface Journal {
  load(): Iterable<Row[]>
  append(rows: Row[], all: () => Iterable<Row>): void
  close(): void
}

/** For tests, and for anyone who wants nothing on disk. */
export const noJournal: Journal = { load: () => [], append: () => {}, close: () => {} }

/** A snapshot is due when the journal has grown past this, and past the snapshot before. */
const COMPACT_AT_BYTES = 32 * 1024 * 1024
const ROWS_PER_TURN = 200

/**
 * Generations of `journal-<n>.jsonl`, and `snapshot-<n>.jsonl` holding all that was before generation n. A line is written
 * with one system call before the answer goes out, so it outlives a killed process; it is not synced to the disk, as a lost
 * machine takes the whole local stack with it. A torn last line is an operation nobody was told of, and is skipped.
 */
export function openJournal(folder: string, compactAtBytes = COMPACT_AT_BYTES): Journal {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // A snapshot that was being written when the process died.
  for (const name of readdirSync(folder)) if (name.endsWith('.tmp')) rmSync(join(folder, name))
  let generation = newestGeneration(folder)
  let file = openSync(journalPath(folder, generation), 'a+', 0o600)
  let bytes = endTornLine(file)
  let snapshotBytes = 0
  let compacting = false
  let closed = false

  const append = (rows: Row[]) => {
    const line = Buffer.from(`${JSON.stringify(rows)}\n`)
    for (let written = 0; written < line.length; ) written += writeSync(file, line, written)
    bytes += line.length
  }

  /** Everything written meanwhile goes to the next generation, and rows are whole: repeating one changes nothing. */
  const compact = (all: Iterator<Row>) => {
    compacting = true
    generation += 1
    closeSync(file)
    file = openSync(journalPath(folder, generation), 'a', 0o600)
    bytes = 0
    snapshotBytes = 0
    const temporary = join(folder, `snapshot-${generation}.tmp`)
    const snapshot = openSync(temporary, 'w', 0o600)
    const turn = () => {
      const rows = take(all, closed ? 0 : ROWS_PER_TURN)
      if (rows.length > 0) {
        snapshotBytes += writeSync(snapshot, `${JSON.stringify(rows)}\n`)
        setImmediate(turn)
        return
      }
      closeSync(snapshot)
      if (closed) return
      renameSync(temporary, join(folder, `snapshot-${generation}.jsonl`))
      removeOlder(folder, generation)
      compacting = false
    }
    setImmediate(turn)
  }

  return {
    load: () => loadGenerations(folder),
    append: (rows, all) => {
      if (closed) return
      append(rows)
      if (bytes > Math.max(compactAtBytes, snapshotBytes) && !compacting) compact(all()[Symbol.iterator]())
    },
    close: () => {
      if (closed) return
      closed = true
      closeSync(file)
    },
  }
}

/** A line cut off by a crash must not swallow the next one. Returns the file's length. */
function endTornLine(file: number): number {
  const { size } = fstatSync(file)
  const last = Buffer.alloc(1)
  if (size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 10) writeSync(file, '\n')
  return size
}

const journalPath = (folder: string, generation: number) => join(folder, `journal-${generation}.jsonl`)

function generationsOf(folder: string, what: 'journal' | 'snapshot'): number[] {
  return readdirSync(folder)
    .map((name) => new RegExp(`^${what}-(\\d+)\\.jsonl$`).exec(name)?.[1])
    .filter((found) => found !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

const newestGeneration = (folder: string): number => generationsOf(folder, 'journal').at(-1) ?? 1

function* loadGenerations(folder: string): Iterable<Row[]> {
  const from = generationsOf(folder, 'snapshot').at(-1) ?? 0
  const snapshot = join(folder, `snapshot-${from}.jsonl`)
  if (existsSync(snapshot)) yield* readLines(snapshot)
  for (const generation of generationsOf(folder, 'journal')) {
    if (generation >= from) yield* readLines(journalPath(folder, generation))
  }
}

function* readLines(path: string): Iterable<Row[]> {
  const file = openSync(path, 'r')
  const chunk = Buffer.alloc(1024 * 1024)
  let rest = Buffer.alloc(0)
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      let data = Buffer.concat([rest, chunk.subarray(0, read)])
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
        const rows = parseLine(data.subarray(0, end))
        if (rows) yield rows
        data = data.subarray(end + 1)
      }
      rest = Buffer.from(data)
    }
  } finally {
    closeSync(file)
  }
}

function parseLine(line: Buffer): Row[] | null {
  try {
    return JSON.parse(line.toString()) as Row[]
  } catch {
    return null
  }
}

function take(rows: Iterator<Row>, count: number): Row[] {
  const taken: Row[] = []
  while (taken.length < count) {
    const next = rows.next()
    if (next.done) break
    taken.push(next.value)
  }
  return taken
}

function removeOlder(folder: string, generation: number): void {
  for (const what of ['journal', 'snapshot'] as const) {
    for (const old of generationsOf(folder, what)) {
      if (old < generation) rmSync(join(folder, `${what}-${old}.jsonl`), { force: true })
    }
  }
}
