import { count, refuseInProduction, seconds } from '@holdfast/runtime/config'
import { serviceSettings } from '@holdfast/service/service'
import { z } from 'zod'

/** The environment of the reservation service. */
export const settings = z
  .object({
    ...serviceSettings,
    /** How often overdue reservations are looked for; this bounds the lateness of an expiry when every timer is dead. */
    SWEEP_INTERVAL_SECONDS: seconds(1),
    /** A command that has not been answered is said again after this time. */
    WATCHDOG_SECONDS: seconds(30),
    /** How long seats stay held past their time while Stripe does not say whether they were paid. */
    CLOSE_DEADLINE_SECONDS: seconds(120),
    /** Ages of a conversion at which Stripe is asked, in case its webhook was lost. */
    PAYMENT_POLL_SECONDS: z
      .string()
      .default('30,120,600')
      .transform((list) => list.split(',').map(Number))
      .pipe(z.array(z.number().positive()).max(20)),
    /** Holds one user may have at the same time on one time slot: nobody can hoard a slot without paying. */
    MAX_ACTIVE_HOLDS_PER_SLOT: count(1_000),
  })
  .superRefine(refuseInProduction('COGNITO_JWKS_ORIGIN'))

export type Settings = z.infer<typeof settings>
