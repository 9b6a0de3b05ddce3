export const FAULTS = ['error_500', 'rate_limit', 'reset_before_effect', 'reset_after_effect', 'delay'] as const

export interface Fault {
  operation: string
  fault: (typeof FAULTS)[number]
  /** How many more requests of this operation it befalls. */
  times: number
  delayMs?: number | undefined
}

export interface Faults {
  /** Replaces the operation's fault; `times: 0` clears it. */
  set(fault: Fault): void
  /** The operation's fault, if it is one of these; it counts as having happened. */
  take(operation: string, ...kinds: Array<Fault['fault']>): Fault | undefined
  clear(): void
}

export function createFaults(): Faults {
  const faults = new Map<string, Fault>()
  return {
    set: (fault) => {
      if (fault.times === 0) faults.delete(fault.operation)
      else faults.set(fault.operation, fault)
    },
    take: (operation, ...kinds) => {
      const fault = faults.get(operation)
      if (fault === undefined || !kinds.includes(fault.fault)) return undefined
      if (fault.times === 1) faults.delete(operation)
      else faults.set(operation, { ...fault, times: fault.times - 1 })
      return fault
    },
    clear: () => faults.clear(),
  }
}
