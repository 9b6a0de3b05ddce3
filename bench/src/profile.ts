import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** Where the time of the services went, from the profiles that they wrote when they stopped. */

const Profile = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.int() }),
      children: z.array(z.int()).default([]),
    }),
  ),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
})

interface Node {
  readonly place: string
  readonly owner: string
  readonly ours: boolean
  parent: Node | undefined
  selfMicros: number
}

const shownOwners = 16
const shownFunctions = 30

export function hotSpots(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  return files.map((name) => `${name}: ${describe(read(join(folder, name)))}`).join('\n\n')
}

function describe(nodes: readonly Node[]): string {
  // Loading modules takes seconds and says nothing about requests.
  const working = nodes.filter((node) => node.place !== '(idle)' && !ancestors(node).some(isLoading))
  const busy = working.reduce((sum, { selfMicros }) => sum + selfMicros, 0)
  const table = (spent: Map<string, number>, count: number) =>
    [...spent]
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([name, micros]) => `  ${((micros / busy) * 100).toFixed(1).padStart(5)} %  ${name}`)
      .join('\n')
  return [
    `busy for ${(busy / 1_000_000).toFixed(1)} s, its start left out`,
    ' by package or file, with the natives it calls',
    table(sums(working, ownersOf), shownOwners),
    ' by function of ours, with all it calls',
    table(sums(working, oursOf), shownFunctions),
  ].join('\n')
}

function sums(nodes: readonly Node[], namesOf: (node: Node) => Iterable<string>): Map<string, number> {
  const spent = new Map<string, number>()
  for (const node of nodes) for (const name of namesOf(node)) spent.set(name, (spent.get(name) ?? 0) + node.selfMicros)
  return spent
}

const ownersOf = (node: Node): string[] => [ancestors(node).find(({ owner }) => owner !== '')?.owner ?? node.place]

/** Each once, however often it is on the stack. */
const oursOf = (node: Node): Set<string> =>
  new Set(
    ancestors(node)
      .filter(({ ours }) => ours)
      .map(({ place }) => place),
  )

const isLoading = ({ owner, place }: Node) => owner.startsWith('node:internal/modules') || place.includes('bootstrap/')

function ancestors(node: Node): Node[] {
  const all: Node[] = []
  for (let each: Node | undefined = node; each; each = each.parent) all.push(each)
  return all
}

function read(file: string): Node[] {
  const { nodes, samples, timeDeltas } = Profile.parse(JSON.parse(readFileSync(file, 'utf8')))
  const byId = new Map(nodes.map(({ id, callFrame }) => [id, nodeOf(callFrame)]))
  for (const { id, children } of nodes) {
    for (const child of children) {
      const node = byId.get(child)
      if (node) node.parent = byId.get(id)
    }
  }
  samples.forEach((id, index) => {
    const node = byId.get(id)
    if (node) node.selfMicros += timeDeltas[index] ?? 0
  })
  return [...byId.values()]
}

function nodeOf({ functionName, url, lineNumber }: z.infer<typeof Profile>['nodes'][number]['callFrame']): Node {
  const root = new URL('../../', import.meta.url).href
  const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  const path = url.replace(root, '')
  const special = url === '' && functionName.startsWith('(')
  return {
    place: url === '' ? functionName : `${functionName || '(anonymous)'}  ${path}:${lineNumber + 1}`,
    owner: special ? functionName : (inPackage ?? path),
    ours: inPackage === undefined && url.startsWith(root),
    parent: undefined,
    selfMicros: 0,
  }
}
