import type { Random } from '../simulation/random.ts'
import type { Stage } from './stage.ts'

/** Something bad that can happen, as data. */
export interface Fault {
  /** `wire-postgres:black-holed`; what stands before the colon says whom it befalls. */
  readonly name: string
  /** At most once in a run. */
  readonly once?: true
  /** How long it lasts, in seconds, from and to; 0 for what happens and is over. */
  readonly lasts: readonly [number, number]
  inject(stage: Stage, random: Random): Promise<Injury>
}

export interface Injury {
  /** Whom or what it befell. */
  readonly on: string
  /** Ends it. What dies is started again by itself: then there is nothing to do. */
  heal(): Promise<void>
  /** Is everything that it befell as it was before? */
  hasHealed(): Promise<boolean>
}

export const nothingToDo = async (): Promise<void> => {}
