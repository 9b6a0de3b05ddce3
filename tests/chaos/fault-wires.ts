import type { TcpProxy } from '@holdfast/testing/tcp-proxy'
import type { Random } from '../simulation/random.ts'
import type { Fault } from './fault.ts'
import { ends } from './wires.ts'

/** What can happen to a wire, to each of the four things that wires lead to. */
const harms: readonly {
  name: string
  lasts: readonly [number, number]
  harm(random: Random): (proxy: TcpProxy) => void
}[] = [
  { name: 'cut', lasts: [0, 0], harm: () => (proxy) => proxy.cut() },
  {
    name: 'slow',
    lasts: [3, 8],
    harm: (random) => {
      const ms = random.between(50, 700)
      return (proxy) => proxy.delay(ms)
    },
  },
  { name: 'black-holed', lasts: [2, 9], harm: () => (proxy) => proxy.blackHole() },
  { name: 'refused', lasts: [1, 5], harm: () => (proxy) => proxy.refuse() },
]

/** One service's own wires, or everybody's. */
const chanceOfAll = 0.3

export const wireFaults: readonly Fault[] = ends.flatMap((end) =>
  harms.map(
    ({ name, lasts, harm }): Fault => ({
      name: `wire-${end}:${name}`,
      lasts,
      inject: async (stage, random) => {
        const wires = stage.wires.filter(({ to }) => to === end)
        const from = random.pick([...new Set(wires.map((wire) => wire.from))])
        const isAll = random.chance(chanceOfAll)
        const harmed = isAll ? wires : wires.filter((wire) => wire.from === from)
        const doHarm = harm(random)
        for (const { proxy } of harmed) doHarm(proxy)
        return {
          on: isAll ? `all to ${end}` : `${from} to ${end}`,
          heal: async () => {
            for (const { proxy } of harmed) proxy.heal()
          },
          hasHealed: async () =>
            (await Promise.all([...new Set(harmed.map((wire) => wire.from))].map((name) => stage.isReady(name)))).every(
              Boolean,
            ),
        }
      },
    }),
  ),
)
