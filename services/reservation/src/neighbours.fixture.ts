import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CognitoIssuer, startCognitoIssuer } from '@holdfast/cognito-issuer/issuer'
import { type Message, send } from '@holdfast/contracts/message'
import {
  AllocateSeats,
  ConfirmSeats,
  ReleaseSeats,
  SeatsConfirmed,
  SeatsReleased,
} from '@holdfast/contracts/messages/inventory'
import { ClosePayment, OpenPayment } from '@holdfast/contracts/messages/payment'
import { openDatabase } from '@holdfast/db/database'
import { answer, on, task } from '@holdfast/messaging/handler'
import { messagingMigrations, openMessaging } from '@holdfast/messaging/messaging'
import { loadConfig } from '@holdfast/runtime/config'
import { createLogger } from '@holdfast/runtime/logger'
import { createTestBroker } from '@holdfast/testing/broker'
import { createTestDatabase } from '@holdfast/testing/database'
import { eventually } from '@holdfast/testing/facts'
import type { z } from 'zod'
import { settings } from './config.ts'
import { aReservation } from './reservation.fixture.ts'
import { startReservation } from './service.ts'

/** The reservation service as its neighbours know it: inventory has every seat, payment does what a test says. */

const poolId = 'us-east-1_Holdfast1'
const clientId = 'holdfastlocal'
const silent = createLogger('test', { LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' })

type Opened = z.infer<typeof OpenPayment.reply>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the API answers
  readonly body: any
}

export type ReservationStack = Awaited<ReturnType<typeof startReservationStack>>

export async function startReservationStack(environment: Record<string, string> = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'reservation-'))
  const [broker, own, seats, money, issuer] = await Promise.all([
    createTestBroker(),
    createTestDatabase(),
    createTestDatabase([messagingMigrations]),
    createTestDatabase([messagingMigrations]),
    startCognitoIssuer({ port: 0, poolId, clientId, dataDir }),
  ])
  const config = loadConfig(settings, {
    ...{ NODE_ENV: 'test', PORT: '0', LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent' },
    ...{ DATABASE_URL: own.url, RABBITMQ_URL: broker.url, SWEEP_INTERVAL_SECONDS: '0.1' },
    ...{ COGNITO_USER_POOL_ID: poolId, COGNITO_CLIENT_ID: clientId, COGNITO_JWKS_ORIGIN: issuer.url },
    ...environment,
  })
  const reservation = await startReservation(config)
  const inventory = openInventorySide(seats.url, broker.url)
  const payment = openPaymentSide(money.url, broker.url)
  await eventually('all are there', async () => inventory.connected() && payment.connected())
  await eventually('it is ready', async () => (await fetch(`${reservation.url}/health/ready`)).ok)

  return {
    payment,
    call: (method: string, path: string, body?: unknown, key: string = randomUUID()) =>
      callAs(issuer, `${reservation.url}${path}`, method, body, key),
    stop: async () => {
      await reservation.stop()
      await Promise.all([inventory.stop(), payment.stop(), issuer.close()])
      await Promise.all([own.drop(), seats.drop(), money.drop(), broker.drop()])
      rmSync(dataDir, { recursive: true })
    },
  }
}

/** Every hold gets its seats, for two seconds. */
function openInventorySide(databaseUrl: string, brokerUrl: string) {
  const { experience, timeSlot, originalPrice, discountApplied, totalPrice } = aReservation()
  const appliedDiscounts = { groupDiscount: null, earlyBirdDiscount: null, totalDiscount: discountApplied }
  const price = { originalPrice, discountApplied, totalPrice, appliedDiscounts }
  const { messaging, stop } = openSide('inventory', databaseUrl, brokerUrl)
  messaging.listen({
    handlers: [
      on(ConfirmSeats, async (body, tx) => tx.say(send(SeatsConfirmed, body))),
      on(ReleaseSeats, async (body, tx) => tx.say(send(SeatsReleased, body))),
    ],
    answers: [
      answer(AllocateSeats, async () => ({
        ...{ outcome: 'allocated' as const, price, timeSlot, experience: { ...experience, holdSeconds: 2 } },
      })),
    ],
  })
  return { connected: messaging.connected, stop }
}

function openPaymentSide(databaseUrl: string, brokerUrl: string) {
  const { messaging, stop } = openSide('payment', databaseUrl, brokerUrl)
  const closing = new Set<string>()
  let opens: (reservationId: string) => Promise<Opened> = async () => ({ outcome: 'closed' })
  messaging.listen({
    handlers: [task(ClosePayment, async ({ reservationId }) => void closing.add(reservationId))],
    answers: [answer(OpenPayment, ({ reservationId }) => opens(reservationId))],
  })
  return {
    connected: messaging.connected,
    stop,
    /** What it answers from now on. */
    opens: (how: typeof opens) => {
      opens = how
    },
    /** Waits until it was told to close this one. */
    isClosing: (id: string) => eventually(`${id} is to be closed`, async () => closing.has(id)),
    says: (...messages: Message[]) => messaging.transact(async (tx) => tx.say(...messages)),
  }
}

function openSide(service: 'inventory' | 'payment', databaseUrl: string, brokerUrl: string) {
  const database = openDatabase(databaseUrl, { poolSize: 4, applicationName: service, logger: silent })
  const messaging = openMessaging({ service, instance: service, urls: [brokerUrl], database, logger: silent })
  const stop = async () => {
    await messaging.stop()
    await database.close()
  }
  return { messaging, stop }
}

async function callAs(issuer: CognitoIssuer, url: string, method: string, body: unknown, key: string): Promise<Answer> {
  const { accessToken } = await issuer.issue({ username: 'alice', groups: [] })
  const headers = {
    authorization: `Bearer ${accessToken}`,
    'content-type': 'application/json',
    'x-idempotency-key': key,
  }
  const response = await fetch(url, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}
