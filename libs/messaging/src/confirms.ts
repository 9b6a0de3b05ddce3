import { reasonOf, Unavailable } from '@holdfast/contracts/errors'
import type { ConfirmChannel, Options } from 'amqplib'
import type { Session } from './session.ts'

/** Publishing until the broker says what became of it. */

export interface Outgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly options: Options.Publish
}

/**
 * The broker is there, and the queue is not: it has no leader. Either the broker has said nothing of the message for a long time,
 * and may still have taken it, or it says that it cannot put it there.
 */
export class Stalled extends Unavailable {}

/** The broker is well, and no queue takes this message. */
export class Refused extends Error {}

/** A queue without a leader confirms nothing; what goes to others must not wait for it for ever. */
const confirmPatienceMs = 20_000

/**
 * A channel for each kind of message, opened when the first is published. RabbitMQ reads no more from a channel that has 32
 * messages with a quorum queue that does not answer, and once 200 to 400 more have come on it, from nothing else of the
 * connection: no acknowledgement, no question, no other channel's message. And should that queue be deleted and declared again,
 * the channel's messages never reach the new one. So a channel on which silence has fallen is thrown away.
 */
export function createConfirms(session: Session): (message: Outgoing) => Promise<void> {
  const lanes = new Map<string, Promise<Lane>>()
  /** Whoever waits for a confirm: turned away when the session ends. */
  const waiting = new Set<(error: Error) => void>()
  void session.ended.then((reason) => {
    for (const turnAway of waiting) turnAway(new Error(reason))
  })

  function laneOf({ exchange, routingKey }: Outgoing): [string, Promise<Lane>] {
    // By name to queues, of which there may be any number: they share one.
    const name = exchange === '' ? '' : routingKey
    const lane = lanes.get(name) ?? openLane(session, name)
    lanes.set(name, lane)
    return [name, lane]
  }

  function drop(name: string, lane: Promise<Lane>): void {
    if (lanes.get(name) !== lane) return
    lanes.delete(name)
    lane.then(({ channel }) => session.drop(channel)).catch(() => {})
  }

  return async (message) => {
    const { promise: outcome, resolve, reject } = Promise.withResolvers<void>()
    const turnAway = (error: Error) => reject(new Unavailable('the broker did not confirm', { cause: error }))
    const [name, lane] = laneOf(message)
    const timer = setTimeout(() => {
      reject(new Stalled(`the broker says nothing of ${message.routingKey}`))
      drop(name, lane)
    }, confirmPatienceMs)
    waiting.add(turnAway)
    const publish = (open: Lane) => {
      // It may have taken so long to open that nobody waits any more.
      if (waiting.has(turnAway)) publishOn(open, message, { taken: resolve, failed: reject, turnAway })
    }
    lane.then(publish).catch(turnAway)
    try {
      await outcome
    } finally {
      clearTimeout(timer)
      waiting.delete(turnAway)
    }
  }
}

interface Lane {
  readonly channel: ConfirmChannel
  /** Messages that no queue took, and how often: the same one may be under way twice. */
  readonly returned: Map<string, number>
}

/** What cannot be opened ends the session. */
async function openLane(session: Session, name: string): Promise<Lane> {
  try {
    const channel = await session.openConfirmChannel(`the channel of ${name || 'delays'}`)
    const returned = new Map<string, number>()
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId)
      returned.set(id, (returned.get(id) ?? 0) + 1)
    })
    return { channel, returned }
  } catch (error) {
    session.end(reasonOf(error))
    throw error
  }
}

function publishOn(
  { channel, returned }: Lane,
  { exchange, routingKey, content, options }: Outgoing,
  tell: Record<'failed' | 'turnAway', (error: Error) => void> & { taken: () => void },
): void {
  channel.publish(exchange, routingKey, content, options, (error: unknown) => {
    // Whatever else is said of it, or it would count for the next of its id.
    const cameBack = wasReturned(returned, options.messageId ?? '')
    if (isNack(error)) tell.failed(new Stalled(`the queue of ${routingKey} takes nothing now`))
    else if (error) tell.turnAway(error as Error)
    else if (cameBack) tell.failed(new Refused(`no queue takes ${routingKey}`))
    else tell.taken()
  })
}

function wasReturned(returned: Map<string, number>, id: string): boolean {
  const times = returned.get(id)
  if (times === undefined) return false
  if (times > 1) returned.set(id, times - 1)
  else returned.delete(id)
  return true
}

/** amqplib tells this from a channel that closed only by its text. */
const isNack = (error: unknown) => error instanceof Error && error.message === 'message nacked'
