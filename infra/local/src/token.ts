/** `npm run token -- alice [--operator]`: an access token from the running stack, and nothing else on stdout. */
import { parseArgs } from 'node:util'
import { issueToken } from './issue-token.ts'
import { readStackFile } from './stack-file.ts'

try {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { operator: { type: 'boolean' } } })
  const [username, ...rest] = positionals
  if (!username || rest.length > 0) throw new Error('Usage: npm run token -- <user name> [--operator]')
  process.stdout.write(`${await issueToken(readStackFile().issuerUrl, username, values.operator)}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
