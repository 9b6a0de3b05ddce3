import { armOrAnnounce, read } from '../../services/timeout/src/due.ts'
import type { Process } from './process.ts'
import type { World } from './world.ts'

/** One instance of the timeout service: real but for its consumer (service.ts). Armed timers live in the broker, and die with it. */
export function startTimeout(world: World, process: Process): void {
  const { bus } = world
  const broker = {
    publish: ({ routingKey, content }: { routingKey: string; content: Buffer }) =>
      bus.publish(process, routingKey, content),
  }
  bus.connect('timeout', {
    process,
    isPaused: () => false,
    receive: async (content) => {
      const arm: Parameters<typeof armOrAnnounce>[1] = async ({ content, remainingMs }) =>
        bus.delay('timeout', content, remainingMs)
      await armOrAnnounce(broker as never, arm, read(content))
    },
    answer: () => Promise.reject(new Error('nothing is asked of timeout')),
  })
}
