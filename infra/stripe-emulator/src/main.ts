import { startStripeEmulator } from './emulator.ts'
import { readSettings, type Settings } from './settings.ts'

const settings = settingsOrExit()
const emulator = await startStripeEmulator(settings)
process.stdout.write(
  `${JSON.stringify({ level: 30, time: Date.now(), msg: 'Stripe emulator is up', url: emulator.url })}\n`,
)

let stopping = false
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping) return
    stopping = true
    emulator.close().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
}

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(1)
  }
}
