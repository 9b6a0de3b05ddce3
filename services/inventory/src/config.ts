import { refuseInProduction, seconds } from '@holdfast/runtime/config'
import { serviceSettings } from '@holdfast/service/service'
import { z } from 'zod'

export const settings = z
  .object({
    ...serviceSettings,
    /** How often allocations that are older than their hold are looked for. */
    ALLOCATION_AUDIT_SECONDS: seconds(15),
    /** How much older than its hold an allocation must be before reservation is asked about it. */
    ALLOCATION_GRACE_SECONDS: seconds(60),
  })
  .superRefine(refuseInProduction('COGNITO_JWKS_ORIGIN'))

export type Settings = z.infer<typeof settings>
