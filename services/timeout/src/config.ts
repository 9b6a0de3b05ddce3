import { brokerSettings, commonSettings } from '@holdfast/runtime/config'
import { z } from 'zod'

export const settings = z.object({ ...commonSettings, ...brokerSettings })

export type Settings = z.infer<typeof settings>
