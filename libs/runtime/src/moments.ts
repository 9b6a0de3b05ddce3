import { channel } from 'node:diagnostics_channel'

/**
 * The moments between two effects: where a process that dies leaves one of them done and the other not. Each is told on a
 * diagnostics channel. Nobody listens in production, where a moment costs one look at a flag; the chaos run listens, and
 * kills the process right there.
 */
export const moments = [
  /** Everything is written, nothing is committed. */
  'before-commit',
  /** Committed; what it says is not published, and nobody has been answered. */
  'after-commit',
  /** The broker has confirmed it; its outbox row is still there. */
  'after-publish',
  /** Handled and committed; the broker still waits for the acknowledgement. */
  'before-ack',
  /** A question is answered here, and whoever asked has not heard it. */
  'before-reply',
  /** A call to Stripe is written down and not made. */
  'before-stripe-call',
  /** Stripe has done it; what came of it is not recorded. */
  'after-stripe-call',
] as const
export type Moment = (typeof moments)[number]

export const channelOf = (moment: Moment): string => `holdfast:${moment}`

const channels = Object.fromEntries(moments.map((moment) => [moment, channel(channelOf(moment))])) as Record<
  Moment,
  ReturnType<typeof channel>
>

/** Subscribers run before this returns. */
export function reached(moment: Moment): void {
  const told = channels[moment]
  if (told.hasSubscribers) told.publish(moment)
}
