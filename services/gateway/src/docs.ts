import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { describeApi } from './openapi.ts'

/**
 * `/openapi.json`, and `/docs`: a page that is served whole from its package and works without the internet. Loaded
 * only when wanted, because the page's script is five megabytes.
 */
export async function addDocs(app: FastifyInstance): Promise<void> {
  const document = JSON.stringify(await describeApi())
  app.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(document))

  const { default: reference } = await import('@scalar/fastify-api-reference')
  const nonce = randomBytes(16).toString('base64')
  await app.register(reference, {
    routePrefix: '/docs',
    configuration: { url: '/openapi.json', pageTitle: 'Holdfast API', nonce, ...signIn, ...quiet },
    hooks: {
      onRequest: (_request, reply, done) => {
        reply.header('content-security-policy', policy(nonce))
        done()
      },
    },
  })
}

const signIn = { authentication: { preferredSecurityScheme: 'accessToken' } }

/** Nothing that talks to anyone but us. */
const quiet = {
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
} as const

/** The page may run its own two scripts and call this API. Styles are written by its components as they appear. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join(';')
}
