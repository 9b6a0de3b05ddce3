import type { Stripe } from 'stripe'
import { errors } from './errors.ts'

export interface Paging {
  limit?: number
  starting_after?: string
  ending_before?: string
  created?: Stripe.RangeQueryParam | number
}

/** One page of `rows`, which come newest first. */
export function page<R extends { id: string }>(
  url: string,
  rows: Iterable<R>,
  params: Paging,
  matches: (row: R) => boolean = () => true,
): Stripe.ApiList<R> {
  const all = [...rows].filter((row) => matches(row) && createdWithin(row, params.created))
  const limit = params.limit ?? 10
  if (params.starting_after !== undefined && params.ending_before !== undefined) {
    throw errors.parametersExclusive(['starting_after', 'ending_before'])
  }
  if (params.ending_before !== undefined) {
    const end = positionOf(all, params.ending_before, 'ending_before')
    const data = all.slice(Math.max(0, end - limit), end)
    return { object: 'list', data, has_more: end > limit, url }
  }
  const start = params.starting_after === undefined ? 0 : positionOf(all, params.starting_after, 'starting_after') + 1
  return { object: 'list', data: all.slice(start, start + limit), has_more: all.length > start + limit, url }
}

function positionOf(rows: Array<{ id: string }>, id: string, param: string): number {
  const position = rows.findIndex((row) => row.id === id)
  if (position < 0) throw errors.noSuch('object', id, param, 400)
  return position
}

function createdWithin(row: object, range: Stripe.RangeQueryParam | number | undefined): boolean {
  const created = (row as { created?: number }).created ?? 0
  if (range === undefined) return true
  if (typeof range === 'number') return created === range
  return (
    created > (range.gt ?? -1) &&
    created >= (range.gte ?? 0) &&
    created < (range.lt ?? Infinity) &&
    created <= (range.lte ?? Infinity)
  )
}
