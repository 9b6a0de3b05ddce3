import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCognitoIssuer } from '@holdfast/cognito-issuer/issuer'
import { loadConfig } from '@holdfast/runtime/config'
import { createLogger } from '@holdfast/runtime/logger'
import { Settings } from './config.ts'
import { startGateway } from './service.ts'

/** What the gateway's tests have around it: services that are plain HTTP servers, and an issuer. */

export const poolId = 'us-east-1_Gateway01'
const clientId = 'gateway-tests'

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface Service {
  readonly url: string
  readonly received: Received[]
  close(): Promise<void>
}

const opened: (() => Promise<void>)[] = []

/** Closes every gateway and service that is still open, the last one first; also what a failed test has left. */
export async function closeOpened(): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close()
}

type Answer = (request: Received, response: ServerResponse) => void

/** Answers as our services do: JSON, with the id of the request. */
export const ok: Answer = ({ headers }, response) => {
  response.setHeader('x-request-id', headers['x-request-id'] ?? '')
  response.setHeader('content-type', 'application/json; charset=utf-8')
  response.end('{"from":"service"}')
}

/** Stands for the process of a service. */
export async function startService(answer: Answer = ok, port = 0): Promise<Service> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const body = await bytesOf(request)
    const { method = '', url = '', headers, rawHeaders } = request
    received.push({ method, url, headers, rawHeaders, body })
    answer({ method, url, headers, rawHeaders, body }, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  opened.push(close)
  return { url, received, close }
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function startIssuer() {
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-issuer-'))
  const issuer = await startCognitoIssuer({ port: 0, poolId, clientId, dataDir })
  return {
    url: issuer.url,
    keyFile: join(dataDir, 'signing-key.json'),
    tokensOf: (username: string, groups: string[] = []) => issuer.issue({ username, groups }),
    bearerOf: async (username: string, groups: string[] = []) =>
      `Bearer ${(await issuer.issue({ username, groups })).accessToken}`,
    close: async () => {
      await issuer.close()
      rmSync(dataDir, { recursive: true })
    },
  }
}

/** A gateway whose three services are the given addresses; its log lines are collected. */
export async function openGateway(urls: string, environment: Record<string, string> = {}) {
  const log: string[] = []
  const settings = loadConfig(Settings, {
    PORT: '0',
    METRICS_PORT: '0',
    COGNITO_USER_POOL_ID: poolId,
    COGNITO_CLIENT_ID: clientId,
    INVENTORY_URLS: urls,
    RESERVATION_URLS: urls,
    PAYMENT_URLS: urls,
    // Five megabytes of page that most tests have no use for.
    DOCS_ENABLED: 'false',
    ...environment,
  })
  const logger = createLogger('gateway', settings, { write: (line) => log.push(line) })
  const gateway = await startGateway(settings, logger)
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= gateway.stop()
    return stopped
  }
  opened.push(stop)
  return { ...gateway, stop, log, host: new URL(gateway.url).host }
}
