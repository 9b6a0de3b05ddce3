import { type Channel, type ChannelModel, connect } from 'amqplib'
import { withHeartbeat } from './session.ts'
import type { Topology } from './topology.ts'

/** Sees to it that the broker has what a topology says. Declaring what is there already changes nothing. */
export async function declareOn(
  channel: Channel,
  connection: ChannelModel,
  { exchanges, queues, bindings }: Topology,
): Promise<void> {
  for (const { name, type, arguments: args } of exchanges)
    await channel.assertExchange(name, type, { durable: true, ...(args && { arguments: args }) })
  const kindOf = hasSoundQuorumQueues(connection) ? keep : asClassic
  for (const { name, arguments: args } of queues)
    await channel.assertQueue(name, { durable: true, arguments: kindOf(args) })
  for (const { queue, exchange, key } of bindings) await channel.bindQueue(queue, exchange, key)
}

/**
 * Quorum queues from RabbitMQ 4 on. On 3.10.8 we have seen one of eight left without a leader by the second kill -9, and
 * stay so: nobody could consume from it any more. Its classic queues lost nothing. See docs/adr/0008.
 */
function hasSoundQuorumQueues({ connection }: ChannelModel): boolean {
  return Number.parseInt(String(connection.serverProperties.version), 10) >= 4
}

const keep = (args: Record<string, unknown>) => args

function asClassic(args: Record<string, unknown>): Record<string, unknown> {
  if (args['x-queue-type'] !== 'quorum') return args
  const { 'x-queue-type': _type, 'x-delivery-limit': _limit, ...rest } = args
  return rest
}

export async function declareMore({ connection }: { connection: ChannelModel }, more: Topology): Promise<void> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  await declareOn(channel, connection, more)
  await channel.close()
}

/** Whether the broker has an exchange type. On a connection of its own: an unknown type closes all of it. */
export async function hasExchangeType(url: string, type: string, args: Record<string, unknown>): Promise<boolean> {
  const connection = await connect(withHeartbeat(url), { timeout: 5_000 })
  const gone = new Promise<boolean>((resolve) => {
    connection.on('error', () => resolve(false))
    connection.on('close', () => resolve(false))
  })
  const probe = async () => {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    const name = `holdfast.probe.${process.pid}.${Date.now()}`
    await channel.assertExchange(name, type, { durable: false, autoDelete: true, arguments: args })
    await channel.deleteExchange(name)
    return true
  }
  try {
    return await Promise.race([probe().catch(() => false), gone])
  } finally {
    await connection.close().catch(() => {})
  }
}
