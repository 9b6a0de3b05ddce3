import { setTimeout as sleep } from 'node:timers/promises'
import type { Finding } from '@holdfast/contracts/routes/operations'
import { untilQuiet, verifyDatabases, type WholeReport } from '@holdfast/operations/verify-run'
import { defaultBounds } from '@holdfast/verification/booking'
import { openCatalogue } from './catalogue.ts'
import type { Diary } from './diary.ts'
import { type Incident, injectFaults } from './injector.ts'
import { type LogFindings, readLogs } from './logs.ts'
import type { Options } from './options.ts'
import { shareOf } from './plans.ts'
import { createProbe } from './probe.ts'
import { type Breach, breachesOf, type Harm } from './promises.ts'
import { enterStage, type Stage } from './stage.ts'
import { storiesOf } from './stories.ts'
import { startTraffic } from './traffic.ts'
import { countOpen, readTruth, type Truth } from './truth.ts'

export interface Outcome {
  readonly home: string
  readonly seconds: number
  /** From the last guest's leaving until everything had come to rest. */
  readonly quietAfterSeconds: number
  /** A probe's booking when nothing is wrong. */
  readonly usualMs: number | undefined
  readonly diaries: readonly Diary[]
  readonly tally: ReadonlyMap<string, number>
  readonly incidents: readonly Incident[]
  readonly truth: Truth
  readonly verified: WholeReport
  readonly logs: LogFindings
  readonly breaches: readonly Breach[]
  /** Of the first reservations among the breaches. */
  readonly stories: readonly string[]
}

/** Longer than the longest hold and all that may follow it. */
const quietMarginSeconds = 240

export async function runChaos(options: Options, signal: AbortSignal, say: (line: string) => void): Promise<Outcome> {
  const startedAt = Date.now()
  const stage = await enterStage(options, signal)
  try {
    say(`${stage.services.length} services are up in ${stage.home}; ${options.bookings} bookings to come`)
    return await perform(stage, options, startedAt, signal, say)
  } finally {
    await stage.leave()
  }
}

async function perform(
  stage: Stage,
  options: Options,
  startedAt: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Outcome> {
  const catalogue = await openCatalogue(stage, options, shareOf)
  const probe = createProbe(stage, catalogue.probe)
  await probe.untilBooked(quietMarginSeconds)
  const usualMs = await probe.untilBooked(60_000)
  const traffic = startTraffic(stage, catalogue, options, signal)
  const ending = new AbortController()
  const over = AbortSignal.any([ending.signal, signal])
  const injecting = injectFaults(stage, probe, options, over, say)
  await unlessAborted(signal, traffic.allCame)
  ending.abort()
  const incidents = await unlessAborted(signal, injecting)
  say('no more faults; waiting for the last guests, and for quiet')
  await unlessAborted(signal, traffic.allGone)
  const goneAt = Date.now()
  const quietBy = goneAt + (options.holds.usual + quietMarginSeconds) * 1_000
  while (Date.now() < quietBy && (await countOpen(stage)) > 0) await sleep(500, undefined, { signal })
  const bounds = { ...defaultBounds, closeDeadline: Number(options.env.reservation.CLOSE_DEADLINE_SECONDS) }
  const stripe = { url: stage.running.stack.stripeUrl, secretKey: stage.running.stack.stripeSecretKey, days: 1 }
  const verified = await untilQuiet(Math.max(0, quietBy - Date.now()) / 1_000, () =>
    verifyDatabases(stage.databases, { bounds, stripe }),
  )
  const quietAfterSeconds = (Date.now() - goneAt) / 1_000
  const truth = await readTruth(stage)
  const diaries = [...traffic.diaries, ...probe.diaries]
  const logs = readLogs(stage.home, stage.services)
  const breaches = [
    ...breachesOf(truth, diaries),
    ...verified.findings.filter(({ standing }) => standing !== 'note').map(asBreach),
    ...logs.uncaught.map((what): Breach => ({ harm: 'wrong', subject: 'log', what })),
    ...stage.deaths.unexpected().map(({ name, times }): Breach => {
      return { harm: 'wrong', subject: name, what: `died ${times} times without being killed` }
    }),
    ...incidents.filter(({ recoveredMs }) => recoveredMs === undefined).map(asStuck),
  ]
  return {
    ...{ home: stage.home, seconds: (Date.now() - startedAt) / 1_000, quietAfterSeconds, usualMs },
    ...{ diaries, tally: traffic.tally, incidents, truth, verified, logs, breaches },
    stories: await storiesOf(stage.databases, breaches),
  }
}

/** Guests are patient; whoever presses Ctrl-C is not. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => {})
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const harms: Record<string, Harm> = {
  oversold: 'doubled',
  'refunded-twice': 'doubled',
  'confirmed-and-refunded': 'lost',
  'money-without-seat': 'lost',
  unpaid: 'lost',
  'payment-missing': 'lost',
  seats: 'lost',
  'slot-sums': 'lost',
}

/** What `verify` says after all that waiting is not moving any more, whatever it calls it. */
function asBreach({ subject, kind, what, standing }: Finding): Breach {
  return { harm: harms[kind] ?? 'stuck', subject, what: `verify: ${kind} (${standing}): ${what}` }
}

function asStuck({ faults, at }: Incident): Breach {
  const what = `nobody could book within two minutes of ${faults.map(({ name, on }) => `${name} (${on})`).join(' + ')}`
  return { harm: 'stuck', subject: at.toISOString(), what }
}
