import { loadConfig } from '@holdfast/runtime/config'
import { run } from '@holdfast/runtime/run'
import { Settings } from './config.ts'
import { startGateway } from './service.ts'

await run(() => startGateway(loadConfig(Settings, process.env)))
