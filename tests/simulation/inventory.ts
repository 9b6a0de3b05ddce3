import { AllocateSeats } from '../../libs/contracts/src/messages/inventory.ts'
import { AuditAllocations } from '../../libs/contracts/src/messages/reservation.ts'
import { answer } from '../../libs/messaging/src/handler.ts'
import { createAllocator } from '../../services/inventory/src/allocate.ts'
import { onConfirmSeats } from '../../services/inventory/src/confirm-seats.ts'
import { onReacquireSeats } from '../../services/inventory/src/reacquire-seats.ts'
import { onReleaseSeats, releaseSeats } from '../../services/inventory/src/release-seats.ts'
import { named, openDatabase, type Server } from './database.ts'
import { openMessaging } from './messaging.ts'
import type { Process } from './process.ts'
import type { InventoryTables } from './tables-inventory.ts'
import type { World } from './world.ts'

/** One instance of the inventory service. All of it is real but the loop of the audit (audit.ts). */
export function startInventory(
  world: World,
  process: Process,
  server: Server,
  tables: InventoryTables,
  graceMs: number,
) {
  const { logger } = world
  const database = openDatabase(world, process, server)
  const messaging = openMessaging(world, process, 'inventory', database, tables.messaging)
  messaging.listen({
    answers: [answer(AllocateSeats, createAllocator(database, logger))],
    handlers: [onConfirmSeats(logger), onReleaseSeats(logger), onReacquireSeats()],
  })

  const suspicious = tables.allocations.firstDue(({ state, auditAt }) => (state === 'held' ? auditAt + graceMs : null))
  world.loop(process, 15_000, suspicious, async () => {
    if (!messaging.connected()) return false
    const taken = await database.many<{ reservationId: string }>(named('audit.take'))
    if (taken.length === 0) return false
    const reservationIds = taken.map((row) => row.reservationId)
    const { release } = await messaging.ask(AuditAllocations, { reservationIds })
    const asked = new Set(reservationIds)
    const over = release.filter((id) => asked.has(id))
    for (const id of over) await database.transaction((tx) => releaseSeats(tx, id, logger))
    const kept = [...asked].filter((id) => !over.includes(id))
    await database.run(named('audit.postpone'), [kept])
    return false
  })
}
