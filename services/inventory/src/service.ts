import { AllocateSeats, ReadInventoryTraffic, ReadSeats } from '@holdfast/contracts/messages/inventory'
import {
  createExperience,
  createTimeSlot,
  getExperience,
  getTimeSlot,
  listExperiences,
  listTimeSlots,
  updateExperience,
  updateTimeSlot,
} from '@holdfast/contracts/routes/catalog'
import { answer } from '@holdfast/messaging/handler'
import { readTraffic } from '@holdfast/messaging/traffic'
import type { Running } from '@holdfast/runtime/run'
import { startService } from '@holdfast/service/service'
import { createAllocator } from './allocate.ts'
import { startAudit } from './audit.ts'
import { openCatalogue } from './catalogue.ts'
import type { Settings } from './config.ts'
import { onConfirmSeats } from './confirm-seats.ts'
import { changeExperience, offerExperience } from './experiences.ts'
import { readSeats } from './facts.ts'
import { onReacquireSeats } from './reacquire-seats.ts'
import { onReleaseSeats } from './release-seats.ts'
import { addTimeSlot, changeTimeSlot } from './time-slots.ts'

/** Inventory: experiences, their time slots, and who has which seats. */
export function startInventory(settings: Settings): Promise<Running & { url: string }> {
  return startService({
    name: 'inventory',
    settings,
    migrations: new URL('../migrations', import.meta.url),
    assemble: (parts) => {
      const { database, logger, serve } = parts
      const catalogue = openCatalogue(parts.reads)

      serve(listExperiences, ({ query }) => catalogue.experiences(query))
      serve(getExperience, ({ params }) => catalogue.experience(params.id))
      serve(listTimeSlots, ({ params, query }) => catalogue.timeSlots(params.id, query))
      serve(getTimeSlot, ({ params, query }) => catalogue.timeSlot(params.id, query.guests))

      serve(createExperience, ({ body, key }) => offerExperience(database, body, key))
      serve(updateExperience, ({ params, body }) => changeExperience(database, params.id, body))
      serve(createTimeSlot, ({ params, body, key }) => addTimeSlot(database, params.id, body, key))
      serve(updateTimeSlot, ({ params, body }) => changeTimeSlot(database, params.id, body))

      return {
        answers: [
          answer(AllocateSeats, createAllocator(database, logger)),
          answer(ReadSeats, (which) => readSeats(database, which)),
          answer(ReadInventoryTraffic, ({ reservationId }) => readTraffic(database, reservationId)),
        ],
        handlers: [onConfirmSeats(logger), onReleaseSeats(logger), onReacquireSeats()],
        loops: [startAudit(parts, settings)],
      }
    },
  })
}
