import type { Cluster } from '@holdfast/local/rabbitmq-cluster'
import { eventually } from '@holdfast/testing/facts'
import { manage } from '@holdfast/testing/management'
import { z } from 'zod'

/** What the cluster says of itself, by its management API. */

const patienceMs = 90_000
const Nodes = z.array(z.object({ running: z.boolean() }))
const Queues = z.array(
  z.object({
    name: z.string(),
    type: z.string().optional(),
    node: z.string().optional(),
    members: z.array(z.string()).optional(),
    online: z.array(z.string()).optional(),
  }),
)

export function untilComplete(cluster: Cluster): Promise<void> {
  return until(`all ${cluster.nodes.length} nodes are one cluster`, async () => {
    const nodes = Nodes.parse(await manage(cluster.managementUrl, 'GET', '/api/nodes'))
    return nodes.filter(({ running }) => running).length === cluster.nodes.length
  })
}

/** Every copy of every queue is there: only then can the next node be spared. */
export function untilWhole(cluster: Cluster): Promise<void> {
  return until('every queue has all of its copies', async () => {
    const queues = (await readQueues(cluster)).filter(({ type }) => type === 'quorum')
    const isWhole = (copies: readonly string[] = []) => copies.length === cluster.nodes.length
    return queues.every(({ members, online }) => isWhole(members) && isWhole(online))
  })
}

/** How many queues of each type there are. */
export async function countQueues(cluster: Cluster): Promise<string> {
  const types = Map.groupBy(await readQueues(cluster), ({ type }) => type ?? 'unknown')
  return [...types].map(([type, { length }]) => `${length} ${type}`).join(', ')
}

const readQueues = async (cluster: Cluster) =>
  Queues.parse(await manage(cluster.managementUrl, 'GET', '/api/queues?disable_stats=false'))

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  await eventually(what, look, patienceMs)
}
