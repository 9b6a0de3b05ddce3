import type { Report } from '@holdfast/verification/verification'

/** A walk in stretches, from the first to where there is nothing beyond; their numbers add up. */
export async function walk(stretch: (after: string | undefined) => Promise<Report>): Promise<Report> {
  let whole = await stretch(undefined)
  while (whole.next !== null) whole = added(whole, await stretch(whole.next))
  return whole
}

function added(before: Report, { reservations, seats, money, findings, truncated, next }: Report): Report {
  const currencies = [...new Set([...Object.keys(before.money), ...Object.keys(money)])]
  return {
    reservations: sums(before.reservations, reservations),
    seats: sums(before.seats, seats),
    money: Object.fromEntries(currencies.map((each) => [each, sums(before.money[each] ?? none, money[each] ?? none)])),
    findings: [...before.findings, ...findings],
    truncated: before.truncated || truncated,
    next,
  }
}

const none = { captured: 0, returned: 0 }

function sums<Numbers extends Record<string, number>>(a: Numbers, b: Numbers): Numbers {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  return Object.fromEntries(names.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)])) as Numbers
}
