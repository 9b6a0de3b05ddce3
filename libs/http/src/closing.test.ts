import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { endWithLastAnswer } from './closing.ts'

/** A server that is told to stop, and those at the other ends of its connections. */
let app: FastifyInstance
let port: number
let asked: PromiseWithResolvers<void>
let answer: PromiseWithResolvers<void>
const agent = new Agent({ keepAlive: true })
beforeEach(async () => {
  asked = Promise.withResolvers()
  answer = Promise.withResolvers()
  app = Fastify({ forceCloseConnections: 'idle', return503OnClosing: false })
  endWithLastAnswer(app)
  app.get('/', async () => {
    asked.resolve()
    await answer.promise
    return { ok: true }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  port = (app.server.address() as { port: number }).port
})
afterEach(() => agent.destroy())

const ask = () =>
  new Promise<number | undefined>((resolve, reject) => {
    get({ port, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode))
    }).once('error', reject)
  })

test('whoever is being answered gets the answer, and its connection is not kept', async () => {
  const answered = ask()
  await asked.promise
  const closed = app.close()
  while (app.server.listening) await turnOfTheLoop()
  answer.resolve()
  expect(await answered).toBe(200)
  await closed
})

test('who has connected and asks nothing is not waited for', async () => {
  const connected = once(app.server, 'connection')
  const silent = connect(port, '127.0.0.1').on('error', () => {})
  const gone = once(silent, 'close')
  await connected
  await app.close()
  await gone
})
