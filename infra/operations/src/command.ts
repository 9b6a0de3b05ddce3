/** What the commands of this package have in common: one line of error, an exit code, no output that kills them. */

export class Failed extends Error {}

export const print = (...lines: string[]): void => {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

export async function runCommand(main: () => Promise<number>): Promise<void> {
  // Whoever was reading (head, less) may be gone.
  process.stdout.on('error', () => process.exit(1))
  try {
    process.exitCode = await main()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  }
}
