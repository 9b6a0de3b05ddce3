import { defaultBounds } from '@holdfast/operations/booking'
import { openDatabases } from '@holdfast/operations/databases'
import { verify } from '@holdfast/operations/verify-run'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type Command,
  dashboardCommands,
  deliveryCommands,
  guestCommands,
  operatorCommands,
  restCommand,
} from './model/commands.ts'
import { rest } from './model/rest.ts'
import { newModel, type World } from './model/world.ts'
import { stackOfThisFile } from './support/stack.ts'

/**
 * Random users, an operator and Stripe's dashboard against a real stack; a model of a page (model/model.ts) says what is
 * right. MODEL_RUNS=500 makes it a long search. A failure prints its seed and path: MODEL_SEED=<seed> does the same runs
 * again, MODEL_SEED=<seed>:<first number of the path> only the one that failed.
 */
const stack = stackOfThisFile()

const { MODEL_RUNS, MODEL_SEED = '' } = process.env
const [seed, path] = MODEL_SEED.split(':')
const numRuns = Number(MODEL_RUNS ?? 15)
/** A run takes a second or two. In this time a failure is made smaller, too: against a real stack that has to end. */
const limitMs = MODEL_RUNS === undefined ? 22_000 : numRuns * 5_000 + 30_000

const limits = {
  numRuns,
  ...(seed && { seed: Number(seed) }),
  ...(path && { path }),
  interruptAfterTimeLimit: limitMs,
} as const

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
    const anybody = fc.nat({ max: 2 })
    const others = [...dashboardCommands(anybody), ...operatorCommands(), ...deliveryCommands(), restCommand()]
    const property = fc.asyncProperty(sequence(120, [...guestCommands(anybody), ...others]), async (commands) => {
      tally.runs += 1
      await stack.emulator.reset()
      const model = await newModel(stack, true)
      await orSaid(commands, async () => {
        await fc.asyncModelRun(() => ({ model, real: world }), commands)
        await rest(model, world)
      })
    })
    await fc.assert(property, limits)
    await expectNoDrift()
  },
  limitMs + 90_000,
)

test(
  'of users who do it all at once each is told the truth, and it adds up',
  async () => {
    const guest = (n: number) => sequence(50, [...guestCommands(fc.constant(n)), ...dashboardCommands(fc.constant(n))])
    const all = fc.tuple(guest(0), guest(1), guest(2), sequence(25, operatorCommands()))
    const property = fc.asyncProperty(all, async (sequences) => {
      tally.runs += 1
      await stack.emulator.reset()
      const model = await newModel(stack, false)
      await orSaid(sequences, async () => {
        const runs = sequences.map((commands) => fc.asyncModelRun(() => ({ model, real: world }), commands))
        // All of them, before anything is said of one that failed: what goes on would disturb the next run.
        const ends = await Promise.allSettled(runs)
        for (const end of ends) if (end.status === 'rejected') throw end.reason
        await rest(model, world)
      })
    })
    await fc.assert(property, limits)
    await expectNoDrift()
  },
  limitMs + 90_000,
)

/** In a long search, the first failure is said at once; and from then on, while it is made smaller, nobody waits long. */
async function orSaid(what: object, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (MODEL_RUNS !== undefined && !tally.hasFailed) process.stdout.write(`${String(what)}\n${error}\n`)
    tally.hasFailed = true
    throw error
  }
}

/** What `npm run verify` says. */
async function expectNoDrift(): Promise<void> {
  const { findings } = await verify(world.databases, { bounds: defaultBounds })
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
