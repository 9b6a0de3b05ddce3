import { existsSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Moment } from '@holdfast/runtime/moments'

/** Who is to die, and at which moment: a file for each instance, which `die.ts` inside it reads. */
export interface Orders {
  /** What an instance's environment needs to hear its orders. */
  environmentOf(instance: string): Record<string, string>
  /** It survives that moment so many times, and then no more. */
  give(instance: string, moment: Moment, survives: number): void
  isOpen(instance: string): boolean
  /** False: it is dead already. */
  withdraw(instance: string): boolean
}

export function openOrders(dir: string): Orders {
  mkdirSync(dir, { recursive: true })
  const fileOf = (instance: string) => join(dir, instance)
  return {
    environmentOf: (instance) => ({
      NODE_OPTIONS: `--import=${new URL('./die.ts', import.meta.url).href}`,
      CHAOS_ORDER: fileOf(instance),
    }),
    give: (instance, moment, survives) => writeFileSync(fileOf(instance), `${moment} ${survives}`),
    isOpen: (instance) => existsSync(fileOf(instance)),
    withdraw: (instance) => {
      try {
        unlinkSync(fileOf(instance))
        return true
      } catch {
        return false
      }
    },
  }
}
