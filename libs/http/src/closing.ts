import type { FastifyInstance } from 'fastify'

/** Everything is answered within five seconds; who is still being sent to after this is not waited for. */
const answeredWithinMs = 8_000
const lookEveryMs = 25

/**
 * Lets a server end with its last answer. Node closes the connections that are idle when it is told to close, and waits for
 * all others: for one that is kept although its answer was under way at that moment, and for one that has never asked
 * anything. Either would hold up all that is to be stopped after the server, until somebody loses patience and kills us.
 */
export function endWithLastAnswer(app: FastifyInstance): void {
  let answering = 0
  let closing = false
  app.server.on('request', (_request, response) => {
    answering += 1
    response.once('close', () => {
      answering -= 1
    })
  })
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close')
  })
  app.addHook('preClose', async () => {
    closing = true
    if (!app.server.listening) return
    const deadline = Date.now() + answeredWithinMs
    const timer = setInterval(() => {
      if (answering === 0 || Date.now() > deadline) app.server.closeAllConnections()
    }, lookEveryMs)
    app.server.once('close', () => clearInterval(timer))
  })
}
