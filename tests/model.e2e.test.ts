import { openDatabases } from '@holdfast/operations/databases'
import { verifyDatabases } from '@holdfast/operations/verify-run'
import { defaultBounds } from '@holdfast/verification/booking'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type Command, dashboardCommands, deliveryCommands, operatorCommands, restCommand } from './model/commands.ts'
import { guestCommands } from './model/guests.ts'
import { rest } from './model/rest.ts'
import { newModel, type World } from './model/world.ts'
import { stackOfThisFile } from './support/stack.ts'

/**
 * Random users, an operator and Stripe's dashboard against a real stack; a model of a page (model/model.ts) says what is
 * right. By default the same few runs each time, so that what fails is what was changed; MODEL_RUNS=500 is a search among
 * others. A failure prints its seed and path: MODEL_SEED=<seed> does the same runs again, MODEL_SEED=<seed>:<first number of
 * the path> only the one that failed.
 */
const stack = stackOfThisFile()

const { MODEL_RUNS } = process.env
const { MODEL_SEED = MODEL_RUNS === undefined ? '20261127' : '' } = process.env
const [seed, path] = MODEL_SEED.split(':')
const numRuns = Number(MODEL_RUNS ?? 15)
/** A run takes a second or two. After this time no other is begun. */
const limitMs = MODEL_RUNS === undefined ? 20_000 : numRuns * 8_000
/** Against a real stack, making a failure smaller has to end. */
const shrinkMs = MODEL_RUNS === undefined ? 20_000 : 120_000

const parameters = { numRuns, ...(seed && { seed: Number(seed) }), ...(path && { path }) }

const tally = { runs: 0, hasFailed: false, byCommand: new Map<string, number>(), byAnswer: new Map<string, number>() }
let world: World
beforeAll(() => {
  world = { stack, databases: openDatabases('read', stack.running.stack.databases), counts: tally }
})

const sequence = (maxCommands: number, commands: fc.WeightedArbitrary<Command>[]) =>
  fc.commands([fc.oneof(...commands)], { maxCommands, size: 'max' })

test(
  'whatever is done one after the other, the API does what the model says',
  async () => {
    tally.hasFailed = false
    const anybody = fc.nat({ max: 2 })
    const others = [...dashboardCommands(anybody), ...operatorCommands(), ...deliveryCommands(), restCommand()]
    const property = fc.asyncProperty(sequence(120, [...guestCommands(anybody), ...others]), async (commands) => {
      await inTime(commands, async () => {
        await stack.emulator.reset()
        const model = await newModel(stack, true)
        await fc.asyncModelRun(() => ({ model, real: world }), commands)
        await rest(model, world)
      })
    })
    endsAt = Date.now() + limitMs
    await fc.assert(property, parameters)
    await expectNoDrift()
  },
  limitMs + shrinkMs + 120_000,
)

test(
  'of users who do it all at once each is told the truth, and it adds up',
  async () => {
    tally.hasFailed = false
    const guest = (n: number) => sequence(50, [...guestCommands(fc.constant(n)), ...dashboardCommands(fc.constant(n))])
    const all = fc.tuple(guest(0), guest(1), guest(2), sequence(25, operatorCommands()))
    const property = fc.asyncProperty(all, async (sequences) => {
      await inTime(sequences, async () => {
        await stack.emulator.reset()
        const model = await newModel(stack, false)
        const runs = sequences.map((commands) => fc.asyncModelRun(() => ({ model, real: world }), commands))
        // All of them, before anything is said of one that failed: what goes on would disturb the next run.
        const ends = await Promise.allSettled(runs)
        for (const end of ends) if (end.status === 'rejected') throw end.reason
        await rest(model, world)
      })
    })
    endsAt = Date.now() + limitMs
    await fc.assert(property, parameters)
    await expectNoDrift()
  },
  limitMs + shrinkMs + 120_000,
)

let endsAt = 0

/**
 * A run that was begun is ended, or it would disturb the next; what is begun after the time counts as passed, which also
 * ends the search for a smaller failure. The first one is said at once in a long search, and nobody waits long after it.
 */
async function inTime(what: object, run: () => Promise<void>): Promise<void> {
  if (Date.now() > endsAt) return
  tally.runs += 1
  try {
    await run()
  } catch (error) {
    if (!tally.hasFailed) endsAt = Date.now() + shrinkMs
    if (!tally.hasFailed && MODEL_RUNS !== undefined) process.stdout.write(`${String(what)}\n${error}\n`)
    tally.hasFailed = true
    throw error
  }
}

/** What `npm run verify` says. */
async function expectNoDrift(): Promise<void> {
  const { findings } = await verifyDatabases(world.databases, { bounds: defaultBounds })
  expect(findings.filter(({ standing }) => standing === 'drift')).toEqual([])
}

afterAll(async () => {
  await world?.databases.close()
  if (MODEL_RUNS === undefined) return
  const sum = [...tally.byCommand.values()].reduce((total, n) => total + n, 0)
  const lines = (counts: Map<string, number>) =>
    [...counts].sort(([, a], [, b]) => b - a).map(([name, n]) => `${n} ${name}`)
  const report = [`${tally.runs} runs, ${sum} commands`, ...lines(tally.byCommand), ...lines(tally.byAnswer), '']
  process.stdout.write(report.join('\n'))
})
