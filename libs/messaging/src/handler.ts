import type { MessageDefinition, RequestDefinition } from '@holdfast/contracts/message'
import type { z } from 'zod'
import type { Transaction } from './transaction.ts'

/** Hears one kind of message. Runs in a transaction; never sees a channel, so it can't speak before it has committed. */
export interface Handler {
  readonly definition: MessageDefinition
  handle(body: unknown, tx: Transaction): Promise<void>
}

/** Hears one kind of message outside a transaction, because it waits for a network. It opens its own, short ones. */
export interface Task {
  readonly definition: MessageDefinition
  perform(body: unknown): Promise<void>
}

/** Answers one kind of question. */
export interface Answerer {
  readonly definition: RequestDefinition<z.ZodType, z.ZodType>
  answer(body: unknown): Promise<unknown>
}

export function on<Body extends z.ZodType>(
  definition: MessageDefinition<Body>,
  handle: (body: z.infer<Body>, tx: Transaction) => Promise<void>,
): Handler {
  return { definition, handle: handle as Handler['handle'] }
}

/**
 * For work that calls another system: `perform` must be safe to run again at any point, because a crash runs it again.
 * What it has to say it says in its own transactions.
 */
export function task<Body extends z.ZodType>(
  definition: MessageDefinition<Body>,
  perform: (body: z.infer<Body>) => Promise<void>,
): Task {
  return { definition, perform: perform as Task['perform'] }
}

export function answer<Body extends z.ZodType, Reply extends z.ZodType>(
  definition: RequestDefinition<Body, Reply>,
  reply: (body: z.infer<Body>) => Promise<z.infer<Reply>>,
): Answerer {
  return { definition, answer: reply as Answerer['answer'] }
}
