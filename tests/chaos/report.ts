import { table } from '@holdfast/operations/table'
import { type Incident, seconds } from './injector.ts'
import type { Options } from './options.ts'
import type { Harm } from './promises.ts'
import type { Outcome } from './run.ts'

/** The run for people. */
export function tell(outcome: Outcome, options: Options): string[] {
  const { diaries, truth, tally, incidents, breaches, logs, usualMs } = outcome
  const bookings = diaries.filter(({ plan }) => plan !== 'probe')
  const minutes = (outcome.seconds / 60).toFixed(1)
  return [
    '',
    `${bookings.length} bookings and ${incidents.length} times trouble in ${minutes} minutes, at rest ${outcome.quietAfterSeconds.toFixed(0)} s after the last guest had gone`,
    ...section('Bookings, by what became of them', bookingRows(outcome)),
    ...section('What guests were answered', [
      [
        [...tally]
          .sort()
          .map(([name, n]) => `${n}× ${name}`)
          .join(', '),
      ],
    ]),
    ...section(`Faults, and how long until somebody could book again (a booking takes ${seconds(usualMs ?? 0)})`, [
      ['', 'times', 'half within', 'longest', 'all ready again after'],
      ...faultRows(incidents),
    ]),
    ...section(
      'Errors that services logged',
      [...logs.errors].sort().map(([what, n]) => [`${n}×`, what]),
    ),
    ...section('Promises', promiseRows(outcome)),
    ...(breaches.length === 0 ? [] : ['', ...table(breaches.map(({ harm, subject, what }) => [harm, subject, what]))]),
    ...outcome.stories.flatMap((story) => ['', story]),
    '',
    `${truth.reservations.size} reservations, seed ${options.seed}: npm run chaos -- ${replay(options)}`,
    ...(options.keep ? [`All of it is in ${outcome.home}: HOLDFAST_HOME=${outcome.home} npm start`] : []),
  ]
}

/** And for programs. */
export function asJson(outcome: Outcome, options: Options): object {
  const { diaries, truth, tally, incidents, logs, verified, ...rest } = outcome
  return {
    seed: options.seed,
    options: { ...options, env: undefined },
    ...rest,
    bookings: diaries.filter(({ plan }) => plan !== 'probe').length,
    probes: diaries.filter(({ plan }) => plan === 'probe').length,
    outcomes: Object.fromEntries(
      bookingRows(outcome)
        .slice(1)
        .map(([plan, ...counts]) => [plan, counts]),
    ),
    answers: Object.fromEntries(tally),
    faults: Object.fromEntries(
      [...alone(incidents)].map(([name, list]) => [name, list.map(({ recoveredMs }) => Math.round(recoveredMs ?? -1))]),
    ),
    incidents,
    errors: Object.fromEntries(logs.errors),
    seats: verified.seats,
    money: verified.money,
    reservations: truth.reservations.size,
  }
}

const replay = ({ minutes, bookings, everyMs, seed, faults }: Options) =>
  `--minutes ${minutes} --bookings ${bookings} --every ${everyMs / 1_000} --seed ${seed}` +
  (faults.length > 0 ? ` --faults ${faults.join(',')}` : '')

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : ['', title, ...table(rows.map((row) => ['', ...row]))]
}

const columns = ['confirmed', 'expired', 'cancelled', 'no hold', 'late, confirmed', 'refunded']

function bookingRows({ diaries, truth }: Outcome): string[][] {
  const rows = [...Map.groupBy(diaries, ({ plan }) => plan)].map(([plan, list]) => {
    const counts = new Map<string, number>()
    const add = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
    for (const { holdId } of list) {
      const reservation = truth.reservations.get(holdId ?? '')
      add(reservation?.status ?? 'no hold')
      if (reservation?.outcome === 'late_payment_confirmed') add('late, confirmed')
      if (reservation?.outcome?.endsWith('_refunded')) add('refunded')
    }
    return [plan, String(list.length), ...columns.map((name) => String(counts.get(name) ?? 0))]
  })
  return [['', 'all', ...columns], ...rows]
}

/** What a fault cost is known only where it came alone. */
function alone(incidents: readonly Incident[]): Map<string, Incident[]> {
  const grouped = new Map<string, Incident[]>()
  for (const incident of incidents) {
    const name = incident.faults.length === 1 ? (incident.faults[0]?.name ?? '') : 'two at once'
    grouped.set(name, [...(grouped.get(name) ?? []), incident])
  }
  return grouped
}

function faultRows(incidents: readonly Incident[]): string[][] {
  return [...alone(incidents)].sort().map(([name, list]) => {
    const recovered = list.map(({ recoveredMs }) => recoveredMs ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)
    const ready = Math.max(...list.map(({ readyMs }) => readyMs ?? Number.POSITIVE_INFINITY))
    const half = recovered[Math.floor((recovered.length - 1) / 2)] ?? 0
    return [name, String(list.length), seconds(half), seconds(recovered.at(-1) ?? 0), seconds(ready)]
  })
}

const harmsInWords: Record<Harm, string> = {
  lost: 'lost (seats, money, or what a guest was told)',
  doubled: 'doubled (seats sold or money taken twice)',
  stuck: 'stuck (not at its end)',
  wrong: 'wrong (answers, logs, processes)',
}

function promiseRows({ breaches }: Outcome): string[][] {
  return (Object.keys(harmsInWords) as Harm[]).map((harm) => {
    const subjects = new Set(breaches.filter((breach) => breach.harm === harm).map(({ subject }) => subject))
    return [String(subjects.size), harmsInWords[harm]]
  })
}
