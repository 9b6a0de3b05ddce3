import type { AddressInfo } from 'node:net'
import { createFaults } from './faults.ts'
import { createIdempotency } from './idempotency.ts'
import { noJournal, openJournal } from './journal.ts'
import { createRequestLog } from './request-log.ts'
import { buildServer } from './server.ts'
import type { Settings } from './settings.ts'
import { openStore } from './store.ts'
import { createWebhooks } from './webhooks.ts'

export const defaultSettings: Settings = {
  port: 0,
  host: '127.0.0.1',
  keys: { secret: 'sk_test_holdfast', publishable: 'pk_test_holdfast' },
  webhook: { secret: 'whsec_holdfast' },
  logLevel: 'warn',
}

/** Starts the stand-in, in this process; on a free port unless `port` says which. */
export async function startStripeEmulator(
  given: Partial<Settings> = {},
): Promise<{ url: string; close: () => Promise<void> }> {
  const settings = { ...defaultSettings, ...given }
  const store = openStore(settings.data === undefined ? noJournal : openJournal(settings.data))
  const webhooks = createWebhooks(store, settings.webhook)
  const stopping = new AbortController()
  const app = buildServer({
    settings,
    stopping: stopping.signal,
    store,
    webhooks,
    faults: createFaults(),
    idempotency: createIdempotency(store),
    requests: createRequestLog(),
  })
  const close = async () => {
    stopping.abort()
    await app.close()
    webhooks.close()
    store.close()
  }
  try {
    await app.listen({ port: settings.port, host: settings.host })
  } catch (error) {
    await close()
    throw error
  }
  const { port } = app.server.address() as AddressInfo
  return { url: `http://${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${port}`, close }
}
