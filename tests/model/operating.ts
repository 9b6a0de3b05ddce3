import * as catalog from '@holdfast/contracts/routes/catalog'
import { operator } from '../support/stack.ts'
import { type Model, priceNow, type Slot, taken } from './model.ts'
import { expectSlot } from './reading.ts'
import { ask, follow, nothing, type World } from './world.ts'

/** The operator changes what is on offer, while guests are at it. */

export interface SlotPatch {
  readonly capacity?: number
  readonly status?: 'open' | 'closed'
  readonly pricePerGuest?: number | null
}

export async function changeSlot(model: Model, world: World, slot: Slot, patch: SlotPatch): Promise<void> {
  const { capacity = slot.capacity, status, pricePerGuest } = patch
  // Whatever the answer says, a hold that is on its way at this moment may have met either.
  slot.capacities.add(capacity)
  if (pricePerGuest !== undefined) slot.prices.add(pricePerGuest ?? slot.experience.pricePerGuest)
  const { answer, span } = await ask(world, catalog.updateTimeSlot, {
    as: operator,
    params: { id: slot.id },
    body: patch,
  })
  const { least, most } = taken(model, slot, span)
  follow(answer, {
    ok:
      capacity >= least &&
      (({ timeSlot }) => {
        slot.capacity = capacity
        if (status !== undefined) slot.isOpen = status === 'open'
        if (pricePerGuest !== undefined) slot.pricePerGuest = pricePerGuest
        expectSlot(model, slot, timeSlot, span)
      }),
    CAPACITY_IN_USE: capacity < most && nothing,
  })
}

export async function changePrice(model: Model, world: World, { experience }: Slot, price: number): Promise<void> {
  const slots = model.slots.filter((slot) => slot.experience === experience)
  for (const slot of slots) slot.prices.add(price)
  const { answer } = await ask(world, catalog.updateExperience, {
    as: operator,
    params: { id: experience.id },
    body: { pricePerGuest: price },
  })
  follow(answer, { ok: nothing })
  experience.pricePerGuest = price
  for (const slot of slots) slot.prices.add(priceNow(slot))
}
