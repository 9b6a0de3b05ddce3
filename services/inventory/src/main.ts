import { loadConfig } from '@holdfast/runtime/config'
import { run } from '@holdfast/runtime/run'
import { settings } from './config.ts'
import { startInventory } from './service.ts'

await run(() => startInventory(loadConfig(settings, process.env)))
