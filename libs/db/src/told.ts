/** Rows as they are told to others: JSON has no dates, so they are UTC text with milliseconds. Pure. */

/** The row behind such facts: these columns are dates still. */
export type WithDates<Facts, Columns extends keyof Facts> = {
  [Column in keyof Facts]: Column extends Columns ? Date | Extract<Facts[Column], null> : Facts[Column]
}

type Told<Row> = {
  [Column in keyof Row]: Date extends Row[Column] ? string | Extract<Row[Column], null> : Row[Column]
}

export function told<Row extends object>(row: Row): Told<Row> {
  const entries = Object.entries(row).map(([column, value]) => [
    column,
    value instanceof Date ? value.toISOString() : value,
  ])
  return Object.fromEntries(entries)
}
