import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:tls'
import { createTestCertificate, type TestCertificate } from '@holdfast/testing/certificate'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { checkServers } from './doctor-servers.ts'

let certificate: TestCertificate
let server: Server
beforeAll(async () => {
  certificate = await createTestCertificate()
  server = createServer(certificate, (socket) => socket.destroy())
  // Who does not trust it hangs up.
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
})
afterAll(() => {
  server.close()
  certificate.remove()
})

test('a server whose certificate nobody vouches for: the setting that names its authority is named', async () => {
  const { port } = server.address() as AddressInfo
  expect(await checkServers({ RABBITMQ_URL: `amqps://holdfast:secret@localhost:${port}` })).toEqual([
    {
      verdict: 'fault',
      says: expect.stringContaining('self-signed certificate'),
      mend: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    },
  ])
})
