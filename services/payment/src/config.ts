import { HttpUrl, refuseInProduction, seconds } from '@holdfast/runtime/config'
import { serviceSettings } from '@holdfast/service/service'
import { z } from 'zod'

export const settings = z
  .object({
    ...serviceSettings,
    STRIPE_SECRET_KEY: z.string().regex(/^(sk|rk)_/, 'must be a secret or restricted key: sk_… or rk_…'),
    STRIPE_WEBHOOK_SECRET: z.string().startsWith('whsec_', 'must start with whsec_'),
    /** Where the local stand-in is. */
    STRIPE_API_URL: HttpUrl.optional(),
    STRIPE_TIMEOUT_SECONDS: seconds(2.5),
    /** How long the breaker turns calls away before it lets one through to see whether Stripe is back. */
    STRIPE_BREAKER_RESET_SECONDS: seconds(4),
    /** How old a webhook's signature may be. */
    STRIPE_WEBHOOK_TOLERANCE_SECONDS: seconds(300),
    /** How often calls whose outcome is not known, payments being closed and parked events are looked at. */
    RECONCILE_SECONDS: seconds(1),
    /** How long after news of money reservation is asked whether it has heard of it. */
    MONEY_AUDIT_GRACE_SECONDS: seconds(60),
  })
  .superRefine(refuseInProduction('STRIPE_API_URL', 'COGNITO_JWKS_ORIGIN'))
export type Settings = z.infer<typeof settings>
