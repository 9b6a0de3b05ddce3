import { privateRabbitmq, type RabbitmqUrls, rabbitmqUrls, replicates, stopStrayEpmd } from './rabbitmq.ts'
import { rabbitmqServer } from './rabbitmq-install.ts'
import { type Session, stages } from './session.ts'
import { type Running, supervise } from './supervisor.ts'

export interface ClusterNode extends RabbitmqUrls {
  readonly running: Running
}

export interface Cluster extends RabbitmqUrls {
  readonly nodes: readonly ClusterNode[]
  readonly version: string
  /** Whether queues have a copy on each node, so that any one may be away. */
  readonly replicates: boolean
}

const names = ['rabbitmq-1', 'rabbitmq-2', 'rabbitmq-3'] as const

/** Three private RabbitMQ nodes that are one broker: the second and the third join the first. */
export async function startCluster({ context, start }: Session): Promise<Cluster> {
  const { home, ports, watch, durable } = context
  const server = await rabbitmqServer(context)
  const epmdPort = await ports.get('epmd')
  const nodes: ClusterNode[] = []
  let version = ''
  for (const name of names) {
    const amqp = await ports.get(name)
    const management = await ports.get(`${name}-management`)
    const distribution = await ports.get(`${name}-distribution`)
    const member = { name, joins: nodes.length > 0 ? names[0] : undefined }
    const settings = { server, durable, amqp, management, distribution, epmd: epmdPort, member }
    const planned = privateRabbitmq(home, settings)
    if (nodes.length === 0) {
      const mapper = supervise(planned.epmd, watch)
      const stop = () => mapper.stop().then(() => stopStrayEpmd(epmdPort))
      await start({ ...mapper, stop }, stages.support)
    }
    const running = supervise(planned.node, watch)
    await start(running, stages.servers)
    version = planned.version
    nodes.push({ running, ...rabbitmqUrls(home, { amqp, management }) })
  }
  const [first] = nodes
  if (!first) throw new Error('a cluster has nodes')
  const url = nodes.map((node) => node.url).join(',')
  return { nodes, version, replicates: replicates(version), url, managementUrl: first.managementUrl }
}
