import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestCertificate, type TestCertificate } from '@holdfast/testing/certificate'
import { createTestDatabase, type TestDatabase } from '@holdfast/testing/database'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sql } from 'slonik'
import { z } from 'zod'
import { openDatabase, statement } from './database.ts'
import { migrate } from './migrate.ts'
import { openReads } from './reads.ts'

/** A database that is spoken to by TLS alone, as most are that are not on one's own machine. */
const logger = createLogger('test', { LOG_LEVEL: 'silent' })
let certificate: TestCertificate
let origin: TestDatabase
let front: Server
beforeAll(async () => {
  origin = await createTestDatabase()
  certificate = await createTestCertificate()
  front = await startTlsFront(new URL(origin.url), certificate)
})
afterAll(async () => {
  front.close()
  await origin.drop()
  certificate.remove()
})

function urlWith(query: Record<string, string>): string {
  const url = new URL(origin.url)
  Object.assign(url, {
    host: `localhost:${(front.address() as AddressInfo).port}`,
    search: String(new URLSearchParams(query)),
  })
  return url.href
}

const one = statement<{ one: number }>('test.one', 'select 1 as one')
const doors = {
  pg: async (url: string) => {
    const database = openDatabase(url, { poolSize: 1, applicationName: 'test', logger })
    return database.one(one).finally(database.close)
  },
  slonik: async (url: string) => {
    const reads = openReads(url, 1)
    return reads.one(sql.type(z.object({ one: z.number() }))`select 1 as one`).finally(reads.end)
  },
  migrations: async (url: string) => {
    await migrate(url, [], logger)
    return { one: 1 }
  },
}

describe.each(['pg', 'slonik', 'migrations'] as const)('%s', (name) => {
  const door = doors[name]

  test('trusts the authority that the URL names', async () => {
    expect(await door(urlWith({ sslmode: 'verify-full', sslrootcert: certificate.authority }))).toEqual({ one: 1 })
  })

  test('trusts no server that nobody has vouched for', async () => {
    const refusal = await door(urlWith({ sslmode: 'verify-full' })).catch((error: Error) => error)
    expect(inspect(refusal)).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
  })

  test('trusts any if it is told to', async () => {
    expect(await door(urlWith({ sslmode: 'no-verify' }))).toEqual({ one: 1 })
  })
})

/** What Postgres does when a client asks for TLS: it says yes, and from then on all is encrypted. */
async function startTlsFront({ hostname, port }: URL, { key, cert }: TestCertificate): Promise<Server> {
  const server = createServer((near) => {
    near.once('data', (request) => {
      if (request.readInt32BE(4) !== sslRequest) {
        near.destroy()
        return
      }
      near.write('S')
      const secure = new TLSSocket(near, { isServer: true, key, cert })
      const far = connect(Number(port), hostname)
      secure.pipe(far).pipe(secure)
      for (const [end, other] of [
        [secure, far],
        [far, secure],
      ] as const) {
        end.on('error', () => other.destroy())
        end.on('close', () => other.destroy())
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  return server
}
const sslRequest = 80_877_103
