import type { Finding } from '@holdfast/contracts/routes/operations'
import { type Booking, type Bounds, defaultBounds } from './booking.ts'
import { judgeMoney } from './judge-money.ts'
import { judgeProgress, judgeSeats } from './judge-seats.ts'

/** Everything that is not as it should be, or not yet at rest, with one booking. Pure. */
export function judge(booking: Booking, bounds: Bounds = defaultBounds): Finding[] {
  const said = [...judgeSeats(booking, bounds), ...judgeMoney(booking, bounds), ...judgeProgress(booking, bounds)]
  return said.map((finding) => ({ subject: booking.id, ...finding }))
}
