import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CognitoIssuer, startCognitoIssuer } from '@holdfast/cognito-issuer/issuer'
import { Unavailable } from '@holdfast/contracts/errors'
import { type Message, type MessageDefinition, send } from '@holdfast/contracts/message'
import {
  ClosePayment,
  OpenPayment,
  PaymentCaptured,
  PaymentClosed,
  PaymentProgressed,
  PaymentRefunded,
  PaymentRefundFailed,
  PollPayment,
  ReadPayment,
  RefundPayment,
  SettlePayment,
} from '@holdfast/contracts/messages/payment'
import { AuditMoney, type MoneyFacts } from '@holdfast/contracts/messages/reservation'
import { type Database, openDatabase } from '@holdfast/db/database'
import { answer, on } from '@holdfast/messaging/handler'
import { messagingMigrations, openMessaging } from '@holdfast/messaging/messaging'
import { loadConfig } from '@holdfast/runtime/config'
import { createLogger } from '@holdfast/runtime/logger'
import { startStripeEmulator } from '@holdfast/stripe-emulator/emulator'
import { createTestBroker } from '@holdfast/testing/broker'
import { createTestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import type { z } from 'zod'
import { settings } from './config.ts'
import { startPayment } from './service.ts'
import { controlStripe } from './stripe.fixture.ts'

/** The payment service as its neighbours know it: the reservation service on one side, Stripe and guests on the other. */

const poolId = 'us-east-1_Holdfast1'
const clientId = 'holdfastlocal'
export const webhookSecret = 'whsec_holdfast'
const silent = createLogger('test', { LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' })

type Ask = z.infer<typeof OpenPayment.body>

/** What the reservation service has heard. */
interface Heard {
  readonly definition: MessageDefinition
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever was said
  readonly body: any
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the API answers
  readonly body: any
}

export type PaymentStack = Awaited<ReturnType<typeof startPaymentStack>>

export async function startPaymentStack(environment: Record<string, string> = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'payment-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const [broker, own, theirs, issuer] = await Promise.all([
    createTestBroker(),
    createTestDatabase(),
    createTestDatabase([messagingMigrations]),
    startCognitoIssuer({ port: 0, poolId, clientId, dataDir }),
  ])
  const stripe = await startStripeEmulator({
    logLevel: 'silent',
    webhook: { secret: webhookSecret, url: `${url}/v1/webhooks/stripe`, retryMs: [50, 200, 1_000] },
  })
  const config = loadConfig(settings, {
    NODE_ENV: 'test',
    PORT: String(port),
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    DATABASE_URL: own.url,
    RABBITMQ_URL: broker.url,
    COGNITO_USER_POOL_ID: poolId,
    COGNITO_CLIENT_ID: clientId,
    COGNITO_JWKS_ORIGIN: issuer.url,
    STRIPE_SECRET_KEY: 'sk_test_holdfast',
    STRIPE_WEBHOOK_SECRET: webhookSecret,
    STRIPE_API_URL: stripe.url,
    STRIPE_TIMEOUT_SECONDS: '1',
    STRIPE_BREAKER_RESET_SECONDS: '0.3',
    RECONCILE_SECONDS: '0.1',
    ...environment,
  })
  const payment = await startPayment(config)
  const instances = [payment]
  const database = openDatabase(own.url, { poolSize: 4, applicationName: 'test', logger: silent })
  const reservation = await openReservationSide(theirs.url, broker.url)

  return {
    url,
    database,
    stripe: controlStripe(stripe.url),
    ...reservation,
    ...askAs(reservation),
    /** One more instance on the same database and broker. */
    another: async () => {
      const started = await startPayment({ ...config, PORT: 0, SERVICE_INSTANCE: `payment-${instances.length + 1}` })
      instances.push(started)
      await eventually('it is ready', async () => (await fetch(`${started.url}/health/ready`)).ok)
    },
    call: (method: string, path: string, user: string, body?: unknown, headers = {}) =>
      callAs(issuer, `${url}${path}`, method, user, body, headers),
    userIdOf: async (username: string) => subjectOf((await issuer.issue({ username, groups: [] })).accessToken),
    stop: async () => {
      await reservation.stop()
      await Promise.all(instances.map((instance) => instance.stop()))
      await Promise.all([stripe.close(), issuer.close(), database.close()])
      await Promise.all([own.drop(), theirs.drop(), broker.drop()])
      rmSync(dataDir, { recursive: true })
    },
  }
}

/** A service that asks, orders and hears as the reservation service does. */
async function openReservationSide(databaseUrl: string, brokerUrl: string) {
  const heard: Heard[] = []
  const logger = silent
  const database = openDatabase(databaseUrl, { poolSize: 4, applicationName: 'reservation', logger })
  const messaging = openMessaging({
    service: 'reservation',
    instance: 'reservation',
    urls: [brokerUrl],
    database,
    logger,
  })
  const events = [PaymentCaptured, PaymentProgressed, PaymentClosed, PaymentRefunded, PaymentRefundFailed]
  const audited: MoneyFacts[] = []
  const deaf = new Set<string>()
  const mute = new Set<string>()
  messaging.listen({
    handlers: events.map((definition) => on(definition, async (body) => void heard.push({ definition, body }))),
    answers: [
      answer(AuditMoney, async ({ facts }) => {
        audited.push(...facts)
        if (facts.some(({ reservationId }) => mute.has(reservationId))) throw new Unavailable('nobody there')
        return { heard: facts.map(({ reservationId }) => reservationId).filter((id) => !deaf.has(id)) }
      }),
    ],
  })
  await eventually('the broker is there', async () => messaging.connected())
  const tell = (...messages: Message[]) => messaging.transact(async (tx) => tx.say(...messages))
  const heardOf = (definition: MessageDefinition, reservationId: string) =>
    heard.filter((one) => one.definition === definition && one.body.reservationId === reservationId)
  return {
    ask: messaging.ask,
    heardOf,
    /** The one event of its kind about this reservation, when it has come. */
    hears: (definition: MessageDefinition, reservationId: string, count = 1) =>
      eventually(`${count} ${definition.name} of ${reservationId}`, async () => {
        const found = heardOf(definition, reservationId)
        return found.length >= count && found.map(({ body }) => body)
      }),
    /** What payment has asked about this reservation's money, each time. */
    auditsOf: (reservationId: string) => audited.filter((facts) => facts.reservationId === reservationId),
    /** This reservation says that it has not heard, until it is taken out again. */
    deaf,
    /** Asked about this reservation, nobody answers. */
    mute,
    tell,
    forgetHeard: async () => {
      heard.length = 0
      await database.run({ name: 'test.forget', text: 'delete from inbox' })
    },
    reservationDatabase: database as Database,
    stop: async () => {
      await messaging.stop()
      await database.close()
    },
  }
}

function askAs({ ask, tell }: Pick<Awaited<ReturnType<typeof openReservationSide>>, 'ask' | 'tell'>) {
  const open = (wanted: Partial<Ask> = {}) =>
    ask(OpenPayment, {
      reservationId: randomUUID(),
      attempt: 1,
      userId: 'user-1',
      amountMinor: 15_000,
      currency: 'usd',
      paymentMethodId: null,
      savePaymentMethod: false,
      description: 'Sunset kayaking',
      ...wanted,
    })
  return {
    open,
    /** Opens a payment and expects an intent that can be paid. */
    opened: async (wanted: Partial<Ask> = {}) => {
      const reservationId = wanted.reservationId ?? randomUUID()
      const reply = await open({ ...wanted, reservationId })
      if (reply.outcome !== 'open') throw new Error(`expected an open intent, got ${JSON.stringify(reply)}`)
      return { ...reply, reservationId }
    },
    settle: (reservationId: string, paymentIntentId: string) => ask(SettlePayment, { reservationId, paymentIntentId }),
    read: async (reservationId: string) => (await ask(ReadPayment, { reservationId })).payment,
    close: (reservationId: string) => tell(send(ClosePayment, { reservationId, reason: 'expired' })),
    poll: (reservationId: string, round = 1) => tell(send(PollPayment, { reservationId, round })),
    refund: (reservationId: string, paymentIntentId: string, reason: 'late' | 'duplicate' = 'late') =>
      tell(send(RefundPayment, { reservationId, paymentIntentId, reason })),
  }
}

async function callAs(
  issuer: CognitoIssuer,
  url: string,
  method: string,
  username: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const { accessToken } = await issuer.issue({ username, groups: [] })
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${accessToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? null : JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

function subjectOf(token: string): string {
  const [, payload = ''] = token.split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()).sub
}

/** The emulator must know where its webhooks go before the service that takes them is there. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (!address || typeof address === 'string') throw new Error('no port')
  return address.port
}
