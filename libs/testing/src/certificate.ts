import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/** What a server shows that is called localhost, and that nobody else has signed. */
export interface TestCertificate {
  /** Both PEM. */
  readonly key: string
  readonly cert: string
  /** A file with the authority that vouches for it. */
  readonly authority: string
  remove(): void
}

export async function createTestCertificate(): Promise<TestCertificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  const dir = mkdtempSync(join(tmpdir(), 'certificate-'))
  const authority = join(dir, 'ca.pem')
  writeFileSync(authority, cert)
  return { key, cert, authority, remove: () => rmSync(dir, { recursive: true }) }
}
