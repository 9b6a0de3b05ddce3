/** `npm run dead-letters -- list|show <id>|replay <id|--all>|discard <id> [--service <name>]` */
import { parseArgs } from 'node:util'
import { Failed, print, runCommand } from './command.ts'
import { type DatabaseName, databaseNames, openDatabases } from './databases.ts'
import { type DeadLetter, deadLetters, type Fate } from './dead-letter-store.ts'
import { withoutSecrets } from './story.ts'
import { duration, oneLine, table } from './table.ts'

const usage = `Usage: npm run dead-letters -- <what> [--service ${databaseNames.join('|')}]
  list                 messages that nobody will try again, newest first
  show <id>            one with its reason and its body
  replay <id>|--all    handled once more by its service, with the same id; waits for what comes of it
  discard <id>         deleted for good`

await runCommand(async () => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { all: { type: 'boolean' }, service: { type: 'string' } },
  })
  const [what, id, ...rest] = positionals
  if (rest.length > 0 || (what === 'list' ? id : !id && !values.all)) throw new Failed(usage)
  if (values.all && (what !== 'replay' || id)) throw new Failed(usage)
  const databases = openDatabases(what === 'replay' || what === 'discard' ? 'write' : 'read')
  const store = deadLetters(databases, serviceOf(values.service))
  try {
    switch (what) {
      case 'list':
        return list(await store.list())
      case 'show':
        return show(await store.find(id ?? ''))
      case 'discard':
        return await discard(await store.find(id ?? ''))
      case 'replay':
        return await replay(id ? [await store.find(id)] : await store.list())
      default:
        throw new Failed(usage)
    }
  } finally {
    await databases.close()
  }

  async function discard(letter: DeadLetter): Promise<number> {
    show(letter)
    if (!(await store.discard(letter))) throw new Failed('Not discarded: it is no dead letter any more.')
    print('', 'Discarded.')
    return 0
  }

  async function replay(letters: readonly DeadLetter[]): Promise<number> {
    if (letters.length === 0) print('No dead letters.')
    let failures = 0
    for (const letter of letters) {
      if (values.all && letter.killed) {
        print(`${nameOf(letter)}: skipped, it may have killed its service; replay it by its id`)
        continue
      }
      const fate = await store.replay(letter)
      if (fate.outcome !== 'done') failures += 1
      print(`${nameOf(letter)}: ${tellFate(fate)}`)
    }
    return failures > 0 ? 1 : 0
  }
})

function serviceOf(name: string | undefined): readonly DatabaseName[] {
  if (name === undefined) return databaseNames
  const service = databaseNames.find((known) => known === name)
  if (!service) throw new Failed(`There is no service ${oneLine(name, 40)} with dead letters.\n${usage}`)
  return [service]
}

function nameOf({ service, type, id }: DeadLetter): string {
  return `${service} ${oneLine(type, 60)} ${id}`
}

function tellFate(fate: Fate): string {
  switch (fate.outcome) {
    case 'done':
      return 'handled'
    case 'dead':
      return `a dead letter again: ${oneLine(fate.reason)}`
    case 'deferred':
      return `failed again, and its service will go on trying: ${oneLine(fate.reason)}`
    case 'waiting':
      return 'not tried yet; is the service running?'
  }
}

function list(letters: readonly DeadLetter[]): number {
  if (letters.length === 0) {
    print('No dead letters.')
    return 0
  }
  const head = ['service', 'id', 'type', 'reservation', 'since', 'tries', 'reason']
  const rows = letters.map(({ service, id, type, reservationId, firstAt, tries, reason, ageSeconds, handled }) => [
    service,
    id,
    oneLine(type, 60),
    reservationId ?? '-',
    `${firstAt.toISOString()} (${duration(ageSeconds)})`,
    String(tries),
    `${handled ? '(handled since) ' : ''}${oneLine(reason, 160)}`,
  ])
  print(...table([head, ...rows]))
  return 0
}

function show(letter: DeadLetter): number {
  const { service, id, type, reservationId, firstAt, lastAt, tries, deliveries, reason, handled, envelope } = letter
  print(
    ...table([
      ['service', service],
      ['id', id],
      ['type', oneLine(type, 200)],
      ['reservation', reservationId ?? '-'],
      ['first failed', firstAt.toISOString()],
      ['last failed', lastAt.toISOString()],
      ['tries', `${tries}, deliveries ${deliveries}`],
      ['reason', oneLine(reason, 2_000)],
      ...(handled ? [['since then', 'handled: it was said again. Replaying does nothing, discarding is right.']] : []),
    ]),
    '',
    JSON.stringify(withoutSecrets(envelope), null, 2),
  )
  return 0
}
