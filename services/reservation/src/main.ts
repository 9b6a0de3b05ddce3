import { loadConfig } from '@holdfast/runtime/config'
import { run } from '@holdfast/runtime/run'
import { settings } from './config.ts'
import { startReservation } from './service.ts'

await run(() => startReservation(loadConfig(settings, process.env)))
