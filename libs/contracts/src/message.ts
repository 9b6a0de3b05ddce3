import { z } from 'zod'

/**
 * How services speak. A message is declared once with `defineCommand`, `defineEvent` or `defineRequest`; `send` is the
 * only way to make one. Queues and bindings are derived from these declarations (libs/messaging/topology).
 */

export type ServiceName = 'gateway' | 'inventory' | 'reservation' | 'payment' | 'timeout'

export interface MessageDefinition<Body extends z.ZodType = z.ZodType> {
  readonly kind: 'command' | 'event' | 'request'
  readonly name: string
  readonly version: number
  readonly body: Body
  /** Who receives it: one service for a command or request, any number for an event. */
  readonly to: readonly ServiceName[]
  /**
   * What makes two messages the same message. The id is derived from it, so whoever repeats a message (outbox, watchdog,
   * crash recovery) repeats its id, and the receiver's inbox knows it.
   */
  readonly key: (body: never) => string
}

export interface RequestDefinition<Body extends z.ZodType, Reply extends z.ZodType> extends MessageDefinition<Body> {
  readonly kind: 'request'
  readonly reply: Reply
}

/** A message ready to be said: its declaration and a body of that shape. */
export interface Message<Definition extends MessageDefinition = MessageDefinition> {
  readonly definition: Definition
  readonly body: z.infer<Definition['body']>
}

const declared = new Map<string, MessageDefinition>()

function declare<D extends MessageDefinition>(definition: D): D {
  const type = typeOf(definition)
  if (declared.has(type)) throw new Error(`${type} is declared twice`)
  declared.set(type, definition)
  return definition
}

/** An order to one service. Durable: it is carried out, whatever dies. */
export function defineCommand<Body extends z.ZodType>(
  name: string,
  version: number,
  spec: { to: ServiceName; body: Body; key: (body: z.infer<Body>) => string },
): MessageDefinition<Body> {
  return declare({ kind: 'command', name, version, body: spec.body, to: [spec.to], key: spec.key })
}

/** Something that has happened. Durable for every service in `heardBy`. */
export function defineEvent<Body extends z.ZodType>(
  name: string,
  version: number,
  spec: { heardBy: readonly ServiceName[]; body: Body; key: (body: z.infer<Body>) => string },
): MessageDefinition<Body> {
  return declare({ kind: 'event', name, version, body: spec.body, to: spec.heardBy, key: spec.key })
}

/** A question somebody waits for. Not durable: it expires with the patience of its caller and is harmless to repeat. */
export function defineRequest<Body extends z.ZodType, Reply extends z.ZodType>(
  name: string,
  version: number,
  spec: { to: ServiceName; body: Body; reply: Reply },
): RequestDefinition<Body, Reply> {
  const definition = { kind: 'request', name, version, body: spec.body, to: [spec.to], reply: spec.reply } as const
  return declare({ ...definition, key: () => '' })
}

export function send<D extends MessageDefinition>(definition: D, body: z.infer<D['body']>): Message<D> {
  return { definition, body }
}

/** `payment.captured.v1`: a message's CloudEvents type and routing key. */
export function typeOf(definition: MessageDefinition): string {
  return `${definition.name}.v${definition.version}`
}

/** Every message of the system. Complete once `messages/all.ts` has been imported. */
export function allMessages(): MessageDefinition[] {
  return [...declared.values()]
}

export function definitionOf(type: string): MessageDefinition | undefined {
  return declared.get(type)
}

/** CloudEvents 1.0 in JSON, with the distributed tracing extension and our correlation and causation ids. */
export const Envelope = z.object({
  specversion: z.literal('1.0'),
  id: z.guid(),
  source: z.string(),
  type: z.string(),
  time: z.string(),
  datacontenttype: z.literal('application/json'),
  /** The reservation the message is about. */
  correlationid: z.string().optional(),
  /** The message or HTTP request that led to this one. */
  causationid: z.string().optional(),
  traceparent: z.string().optional(),
  data: z.unknown(),
})
export type Envelope = z.infer<typeof Envelope>
