import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { eventually } from './facts.ts'
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** An echo behind a wire that can be tampered with. */
let echo: Server
let proxy: TcpProxy
beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await openTcpProxy(echo.address() as AddressInfo)
})
afterEach(async () => {
  await proxy.close()
  echo.close()
})

async function client(): Promise<{ socket: Socket; heard: () => string; died: () => boolean }> {
  const socket = connect(proxy.port, '127.0.0.1')
  let text = ''
  let dead = false
  socket.once('error', () => {})
  socket.on('data', (bytes) => {
    text += bytes
  })
  socket.on('close', () => {
    dead = true
  })
  await once(socket, 'connect')
  return { socket, heard: () => text, died: () => dead }
}

test('passes bytes on, at once or later', async () => {
  const { socket, heard } = await client()
  socket.write('now')
  await eventually('it came back', async () => heard() === 'now')
  proxy.delay(30)
  const startedAt = performance.now()
  socket.write(', later')
  await eventually('it came back', async () => heard() === 'now, later')
  expect(performance.now() - startedAt).toBeGreaterThan(55)
})

test('a delay that comes and goes changes nothing of the order', async () => {
  const { socket, heard } = await client()
  const words = Array.from({ length: 40 }, (_, n) => `${n} `)
  for (const [n, word] of words.entries()) {
    proxy.delay(n % 3 === 0 ? 20 : 0)
    socket.write(word)
    await turnOfTheLoop()
  }
  await eventually('all came back', async () => heard().length === words.join('').length)
  expect(heard()).toBe(words.join(''))
})

test('cut: open connections die, new ones live', async () => {
  const before = await client()
  await eventually('it is open', async () => proxy.open() === 1)
  expect(proxy.cut()).toBe(1)
  await eventually('it died', async () => before.died())
  const after = await client()
  after.socket.write('alive')
  await eventually('it came back', async () => after.heard() === 'alive')
})

test('black hole: nothing comes and nobody is told, until it heals', async () => {
  const { socket, heard, died } = await client()
  socket.write('before')
  await eventually('it came back', async () => heard() === 'before')
  proxy.blackHole()
  socket.write('lost')
  const other = await client()
  other.socket.write('lost too')
  await eventually('both have been swallowed', async () => socket.bytesWritten === 10 && proxy.open() === 2)
  expect({ heard: heard(), died: died() }).toEqual({ heard: 'before', died: false })
  proxy.heal()
  await eventually('what has lost bytes is reset', async () => died() && other.died())
})

test('refuse: nobody is there', async () => {
  proxy.refuse()
  await expect(client().then(({ socket }) => once(socket, 'data'))).rejects.toThrow(/ECONNRESET/)
})
