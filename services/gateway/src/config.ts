import {
  commonSettings,
  count,
  flag,
  HttpUrls,
  identitySettings,
  portSetting,
  refuseInProduction,
} from '@holdfast/runtime/config'
import { z } from 'zod'

const withinHops = (hops: number) => (_address: string, hop: number) => hop < hops

/** Separated by commas; `*` alone stands for any origin. */
const Origins = z
  .string()
  .transform((list) => list.split(',').map((item) => item.trim()))
  .refine((list) => list.every((item) => item === '*' || URL.parse(item)?.origin === item), {
    message: "must be origins like https://shop.example, separated by commas, or '*'",
  })

/**
 * How many proxies stand in front of us, or their addresses. Off by default: without a proxy, `X-Forwarded-For` is
 * whatever a client likes to be limited as.
 */
const TrustProxy = z
  .string()
  .regex(/^(false|\d{1,2}|[\da-fA-F:.]+(\/\d{1,3})?(\s*,\s*[\da-fA-F:.]+(\/\d{1,3})?)*)$/, {
    message: 'must be a number of hops, or addresses and networks separated by commas',
  })
  .transform((value) => (value === 'false' ? false : /^\d+$/.test(value) ? withinHops(Number(value)) : value))

export const Settings = z
  .object({
    ...commonSettings,
    ...identitySettings,
    /** Metrics have a port of their own, which is never published. */
    METRICS_PORT: portSetting,
    /** The instances of each service, separated by commas. */
    INVENTORY_URLS: HttpUrls,
    RESERVATION_URLS: HttpUrls,
    PAYMENT_URLS: HttpUrls,
    /**
     * An upstream that has not answered by then is a 503, which must be out within 5 s, on a busy machine as well. Services
     * wait 4 s for one another: what they say about it should still get through.
     */
    UPSTREAM_TIMEOUT_MS: count(4_250, 60_000),
    /** Requests a minute. */
    RATE_LIMIT_PER_USER: count(300),
    RATE_LIMIT_PER_ADDRESS: count(1_200),
    /** Who may call from a browser; nobody by default. */
    CORS_ORIGINS: Origins.optional(),
    /** Serves /openapi.json and /docs. */
    DOCS_ENABLED: flag(true),
    TRUST_PROXY: TrustProxy.default(false),
  })
  .superRefine(refuseInProduction('COGNITO_JWKS_ORIGIN'))

export type Settings = z.infer<typeof Settings>
