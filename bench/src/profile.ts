import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** Where the time of the services went, from the profiles that they wrote when they stopped. */

const Profile = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.int() }),
    }),
  ),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
})
type Node = z.infer<typeof Profile>['nodes'][number]

const shownFunctions = 25

export function hotSpots(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  return files.map((name) => `${name}\n${selfTimes(join(folder, name))}`).join('\n\n')
}

function selfTimes(file: string): string {
  const { nodes, samples, timeDeltas } = Profile.parse(JSON.parse(readFileSync(file, 'utf8')))
  const places = new Map(nodes.map((node) => [node.id, placeOf(node)]))
  const spent = new Map<string, number>()
  samples.forEach((id, index) => {
    const place = places.get(id) ?? ''
    spent.set(place, (spent.get(place) ?? 0) + (timeDeltas[index] ?? 0))
  })
  spent.delete('(idle)')
  const busy = [...spent.values()].reduce((sum, micros) => sum + micros, 0)
  const line = ([place, micros]: [string, number]) => `  ${((micros / busy) * 100).toFixed(1).padStart(5)} %  ${place}`
  const top = [...spent].sort(([, a], [, b]) => b - a).slice(0, shownFunctions)
  return [`  busy for ${(busy / 1_000_000).toFixed(1)} s`, ...top.map(line)].join('\n')
}

function placeOf({ callFrame: { functionName, url, lineNumber } }: Node): string {
  if (url === '') return functionName
  const place = url.replace(/^.*node_modules\/(?:\.pnpm\/[^/]+\/node_modules\/)?/, '').replace(/^file:\/\//, '')
  return `${functionName || '(anonymous)'}  ${place}:${lineNumber + 1}`
}
