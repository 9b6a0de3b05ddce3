import { startInventory } from './inventory.ts'
import { type PaymentService, startPayment } from './payment.ts'
import { createProcess, type Process } from './process.ts'
import { type ReservationService, startReservation } from './reservation.ts'
import type { StripeEvent } from './stripe.ts'
import { startTimeout } from './timeout.ts'
import { graceMs, type World } from './world.ts'

/** The instances of every service. One that dies is started again; meanwhile the others go on. */
export interface Cluster {
  killOne(): void
}

interface Running {
  readonly process: Process
  readonly reservation?: ReservationService
  readonly payment?: PaymentService
}

/** Stripe tries for days; what it gives up on is what a firewall of ours had swallowed. */
const webhookAgainMs = 8_000

export function startCluster(world: World): Cluster {
  const { clock, random, servers, tables } = world
  const running = new Map<string, Running>()
  const alive = () => [...running.values()].filter(({ process }) => process.isAlive())
  const starts = {
    reservation: (process: Process) => ({
      reservation: startReservation(world, process, servers.reservation, tables.reservation, world.settings),
    }),
    inventory: (process: Process) => {
      startInventory(world, process, servers.inventory, tables.inventory, graceMs)
      return {}
    },
    payment: (process: Process) => ({ payment: startPayment(world, process, servers.payment, tables.payment) }),
    timeout: (process: Process) => {
      startTimeout(world, process)
      return {}
    },
  }

  function startOne(service: keyof typeof starts, name: string): void {
    const process = createProcess(world, name)
    running.set(name, { process, ...starts[service](process) })
    process.onDeath(() => clock.after(random.between(300, 6_000), () => startOne(service, name)))
  }

  async function deliver(event: StripeEvent): Promise<void> {
    const instances = alive().flatMap(({ payment }) => payment ?? [])
    const heard = instances.length > 0 && random.pick(instances).takeEvent(event)
    const ok = await Promise.race([
      Promise.resolve(heard).then(
        (answer) => answer !== false,
        () => false,
      ),
      clock.sleep(webhookAgainMs).then(() => false),
    ])
    if (!ok) clock.after(random.between(500, webhookAgainMs), () => world.start(deliver(event)))
  }

  world.events.deliver = (event) => {
    const delayMs = () => (world.fails('reorder') ? random.between(10, 20_000) : random.between(10, 300))
    // Polling and closing find what an intent has become; only events tell of other people's refunds and of intents that
    // nobody knows of, so those are always sent again.
    const isFound = event.subject?.about === 'intent' && !world.stripe.intents.get(event.subject.intent.id)?.isOrphan
    if (isFound && world.fails('webhook')) world.tell(`stripe's event ${event.type} never arrives`)
    else clock.after(delayMs(), () => world.start(deliver(event)))
    if (world.fails('duplicate')) clock.after(delayMs(), () => world.start(deliver(event)))
  }
  world.reservations.any = () => {
    const services = alive().flatMap(({ reservation }) => reservation ?? [])
    return services.length > 0 ? random.pick(services) : undefined
  }

  const replicas = random.between(1, 2)
  for (const service of Object.keys(starts) as (keyof typeof starts)[])
    for (let n = 1; n <= replicas; n += 1) startOne(service, `${service} ${n}`)

  return {
    killOne: () => {
      const candidates = alive()
      if (candidates.length > 0) random.pick(candidates).process.kill('of a kill -9')
    },
  }
}
