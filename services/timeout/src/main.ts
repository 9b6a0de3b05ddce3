import { loadConfig } from '@holdfast/runtime/config'
import { run } from '@holdfast/runtime/run'
import { settings } from './config.ts'
import { startTimeout } from './service.ts'

await run(() => startTimeout(loadConfig(settings, process.env)))
