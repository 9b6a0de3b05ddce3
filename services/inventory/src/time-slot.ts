/** The arithmetic of seats: who gets some, and what becomes of them. Pure; the SQL in migrations and store says the same. */

export interface SlotSeats {
  readonly capacity: number
  readonly held: number
  readonly booked: number
}

export type Admission =
  | { readonly outcome: 'allocated' }
  | { readonly outcome: 'slot_not_available' }
  | { readonly outcome: 'not_enough_capacity'; readonly available: number }

export const availableOf = (slot: SlotSeats): number => slot.capacity - slot.held - slot.booked

/**
 * Who of those that ask for seats of one slot gets them, in the order of their arrival. A party that does not fit does not
 * stand in the way of a smaller one behind it. Those left out hear what is left once everybody has been heard.
 */
export function admit(slot: SlotSeats, parties: readonly number[]): Admission[] {
  let available = availableOf(slot)
  const fits = parties.map((guests) => {
    if (guests > available) return false
    available -= guests
    return true
  })
  return fits.map((fit) => {
    if (fit) return { outcome: 'allocated' }
    return available === 0 ? { outcome: 'slot_not_available' } : { outcome: 'not_enough_capacity', available }
  })
}

export type SeatState = 'held' | 'booked' | 'released'

/** What a command makes of an allocation, and what it is answered. */
export interface Step {
  readonly state: SeatState
  readonly answer: 'confirmed' | 'released' | 'reacquired' | 'refused'
}

/** The reservation is paid. `free`: whether seats that were given back could be taken again. */
export function whenConfirmed(state: SeatState, free: boolean): Step {
  switch (state) {
    case 'held':
    case 'booked':
      return { state: 'booked', answer: 'confirmed' }
    case 'released':
      // Somebody let go of paid seats: take them again if they are there, else the money has to go back.
      return free ? { state: 'booked', answer: 'confirmed' } : { state: 'released', answer: 'refused' }
  }
}

/** The reservation is over. */
export function whenReleased(state: SeatState): Step {
  switch (state) {
    case 'held':
    case 'released':
      return { state: 'released', answer: 'released' }
    case 'booked':
      // Paid seats are never given back: money came late, and its ReacquireSeats overtook this message. It is answered,
      // because the release is dealt with and nobody should go on asking for it.
      return { state: 'booked', answer: 'released' }
  }
}

/** Money came for a reservation that was over. */
export function whenReacquired(state: SeatState, free: boolean): Step {
  switch (state) {
    // Held still: the release is on its way, and will find paid seats.
    case 'held':
    case 'booked':
      return { state: 'booked', answer: 'reacquired' }
    case 'released':
      return free ? { state: 'booked', answer: 'reacquired' } : { state: 'released', answer: 'refused' }
  }
}

/** How a slot's sums change when an allocation moves. */
export function seatsMoved(from: SeatState, to: SeatState, guests: number): { held: number; booked: number } {
  const count = (state: SeatState) => (to === state ? guests : 0) - (from === state ? guests : 0)
  return { held: count('held'), booked: count('booked') }
}
