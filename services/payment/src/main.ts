import { loadConfig } from '@holdfast/runtime/config'
import { run } from '@holdfast/runtime/run'
import { settings } from './config.ts'
import { startPayment } from './service.ts'

await run(() => startPayment(loadConfig(settings, process.env)))
