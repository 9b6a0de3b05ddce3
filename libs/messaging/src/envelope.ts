import { randomUUID } from 'node:crypto'
import { type Envelope, type Message, type ServiceName, typeOf } from '@holdfast/contracts/message'
import { childTraceparent, currentContext } from '@holdfast/runtime/context'
import { derivedId } from '@holdfast/runtime/derived-id'

/** A message's id comes from what it says (its type and key): whoever says it again, the receiver knows it. */
export function messageIdOf({ definition, body }: Message): string {
  if (definition.kind === 'request') return randomUUID()
  return derivedId(`${typeOf(definition)}:${definition.key(body as never)}`)
}

/** Wraps a message for the wire. Its cause and trace are those of the work that is being done. */
export function wrap(message: Message, source: ServiceName): Envelope {
  const context = currentContext()
  const { reservationId } = message.body as { reservationId?: string }
  return {
    specversion: '1.0',
    id: messageIdOf(message),
    source: `holdfast/${source}`,
    type: typeOf(message.definition),
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    ...(reservationId !== undefined && { correlationid: reservationId }),
    ...(context && { causationid: context.causationId }),
    traceparent: childTraceparent(context?.traceparent),
    data: message.definition.body.parse(message.body),
  }
}
