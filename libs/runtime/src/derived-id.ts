import { createHash } from 'node:crypto'

/** Our own name space for derived ids (RFC 9562, version 5). */
const namespace = Buffer.from('3f0ab3a5b1c84d0e9a6d2f5c7e418d92', 'hex')

/** The same name, the same id, everywhere and always. */
export function derivedId(name: string): string {
  const hash = createHash('sha1').update(namespace).update(name).digest().subarray(0, 16)
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
